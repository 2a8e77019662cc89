import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { bundleRelease } from "../../cells/drivers/bundle/bundle.ts";
import type { ReleaseRef } from "../../cells/drivers/driver.ts";
import { locatePostgres, locateRedis } from "../../cells/drivers/local/binaries.ts";
import { databaseUser } from "../../cells/drivers/local/database-user.ts";
import { LocalDriver } from "../../cells/drivers/local/driver.ts";
import { allocateBlock, cellPorts } from "../../cells/drivers/local/ports.ts";
import { startSupervisor } from "../../cells/drivers/local/supervisor/client.ts";
import { systemClock } from "../../common/clock.ts";
import { cellId } from "../../common/ids.ts";
import { generateSigningKey } from "../../common/keys.ts";
import { root } from "../../scripts/lib/bootstrap.mjs";

const readyWithinMs = 120_000;

/** How long a new cell took, in milliseconds. */
export interface Took {
  /** Until its databases answer, with roles, credentials and addresses. */
  readonly provisionedMs: number;
  /** Until the application's release says that it is ready. */
  readonly readyMs: number;
}

/** A fleet home with a driver and nothing else: no plane, no router. */
export class ProvisionStage {
  readonly #home: string;
  readonly #driver: LocalDriver;
  readonly #release: ReleaseRef;
  #cells = 0;

  private constructor(home: string, driver: LocalDriver, release: ReleaseRef) {
    this.#home = home;
    this.#driver = driver;
    this.#release = release;
  }

  static async start(folder: string): Promise<ProvisionStage> {
    const home = await mkdtemp(join(folder, "home-"));
    const outDir = join(folder, "release");
    const bundle = await bundleRelease({ folder: join(root, "cells/pulse"), version: "1", outDir });
    const sources = new Map(bundle.files.map(({ digest, source }) => [digest, source]));
    const block = await allocateBlock(home);
    const supervisor = await startSupervisor(home);
    const redis = locateRedis();
    if (redis === null) throw new Error("neither redis-server nor valkey-server is installed");
    const programs = { postgres: await locatePostgres(), redis, user: await databaseUser() };
    const driver = new LocalDriver({
      home,
      clock: systemClock,
      supervisor: async () => supervisor,
      programs: async () => programs,
      ports: (cell) => cellPorts(block, Number(cell.split("-")[1]) - 1),
      releases: {
        manifest: async () => bundle.manifest,
        read: async (digest) => createReadStream(sources.get(digest) ?? ""),
      },
      fleet: { url: "http://127.0.0.1:9", trustKeys: [generateSigningKey().spki] },
      token: async () => "nobody asks",
      logLevel: "info",
    });
    return new ProvisionStage(home, driver, { name: bundle.manifest.name, digest: bundle.digest });
  }

  /** Adds cells that stay, until there are so many. */
  async growTo(cells: number): Promise<void> {
    while (this.#cells < cells) {
      await this.#make(this.#cells + 1);
      this.#cells++;
    }
  }

  /** Makes one more cell, and ends it again. */
  oneMore(): Promise<Took> {
    return this.#andEnd((number) => this.#make(number));
  }

  /** The same, up to its databases. @returns milliseconds */
  oneMoreDatabase(): Promise<number> {
    return this.#andEnd((number) => this.#provision(number));
  }

  async #andEnd<Result>(make: (number: number) => Promise<Result>): Promise<Result> {
    const number = this.#cells + 1;
    try {
      return await make(number);
    } finally {
      await this.#driver.retire(cellId(`cell-${number}`));
      await rm(join(this.#home, "retired"), { recursive: true, force: true });
    }
  }

  async #provision(number: number): Promise<number> {
    const began = performance.now();
    await this.#driver.provision({ id: cellId(`cell-${number}`), region: "eu" });
    return performance.now() - began;
  }

  async #make(number: number): Promise<Took> {
    const cell = cellId(`cell-${number}`);
    const began = performance.now();
    const provisionedMs = await this.#provision(number);
    await this.#driver.installRelease(cell, this.#release);
    await this.#driver.migrate(cell, this.#release);
    await this.#driver.startRelease(cell, "a", this.#release);
    while (!(await this.#driver.status(cell)).slots.a.ready) {
      if (performance.now() - began > readyWithinMs) throw new Error(`${cell} did not become ready`);
      await sleep(10);
    }
    return { provisionedMs, readyMs: performance.now() - began };
  }

  async stop(): Promise<void> {
    await (await startSupervisor(this.#home)).shutdown();
    await rm(this.#home, { recursive: true, force: true });
  }
}
