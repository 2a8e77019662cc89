import { setTimeout as sleep } from "node:timers/promises";
import type { Static, TSchema } from "typebox";
import type { ReleaseSource } from "../../cells/drivers/driver.ts";
import { DryRunDriver } from "../../cells/drivers/dry-run/driver.ts";
import { systemClock } from "../../common/clock.ts";
import type { CellStatus } from "../../common/contracts/cell-admin.ts";
import type { Slot } from "../../common/contracts/lease.ts";
import type { ReleaseManifest } from "../../common/contracts/release.ts";
import { latencyBoundsMs, type SampleCounter, type Samples } from "../../common/contracts/samples.ts";
import { digestOf } from "../../common/canonical.ts";
import type { CellId, ReleaseName } from "../../common/ids.ts";
import type { PartClient } from "../../workflows/activities/part-client.ts";
import type { DriverPort } from "../../workflows/activities/ports.ts";
import type { Synthetic } from "../../workflows/activities/synthetic.ts";
import { workflowError } from "../../workflows/errors.ts";

/** Steps of a driver that change a cell, and `drain`, which takes its time. */
export const driverSteps = ["installRelease", "migrate", "startRelease", "switchSlot", "drain", "stopRelease"] as const;
export type DriverStep = (typeof driverSteps)[number];

export interface SimulatedCellsOptions {
  readonly cells: readonly CellId[];
  /** Releases that there are; each cell begins with the first one in slot a. */
  readonly releases: readonly ReleaseManifest[];
  /** How long a step takes, in milliseconds; half of it passes before its effect, half after. */
  readonly stepMs: (step: DriverStep) => number;
  /** Texts of the releases' files, by digest. */
  readonly read: ReleaseSource["read"];
}

/** Where the simulated cells and their one router answer; no such host exists. */
export const simulatedRouter = { id: "router-1", url: "simulated://router-1" } as const;

/** The admin address of a simulated cell's slot. */
export function simulatedAddress(cell: CellId, slot: Slot): string {
  return `simulated://${cell}/${slot}`;
}

/**
 * Cells that are models in memory, the dry-run driver's, behind the ports of the workflow worker, and a router that counts what they are sent. What really
 * changed in a cell is in `effects`: a step that is repeated and finds its work done leaves nothing there.
 */
export class SimulatedCells {
  readonly effects: string[] = [];
  readonly #dry: DryRunDriver;
  readonly #options: SimulatedCellsOptions;
  readonly #digests: ReadonlyMap<ReleaseName, string>;
  readonly #counters = new Map<string, SampleCounter>();
  #readAt = 0;

  constructor(options: SimulatedCellsOptions) {
    this.#options = options;
    this.#digests = new Map(options.releases.map((manifest) => [manifest.name, digestOf(manifest)]));
    this.#dry = new DryRunDriver({
      manifest: async ({ name }) => {
        const manifest = options.releases.find((one) => one.name === name);
        if (manifest === undefined) throw new Error(`there is no ${name}`);
        return manifest;
      },
      read: options.read,
    });
  }

  /** Makes the cells, with the first release live in each. */
  async provision(): Promise<void> {
    const [first] = this.#options.releases;
    if (first === undefined) throw new Error("there is no release");
    const release = { name: first.name, digest: digestOf(first) };
    for (const id of this.#options.cells) {
      await this.#dry.provision({ id, region: "eu" });
      await this.#dry.installRelease(id, release);
      await this.#dry.migrate(id, release);
      await this.#dry.startRelease(id, "a", release);
    }
  }

  /** What runs in each cell: `cell-1: pulse@2`, or `cell-1: pulse@1 beside pulse@2`. */
  async standing(): Promise<string[]> {
    return await Promise.all(this.#options.cells.map(async (id) => `${id}: ${await this.#shape(id)}`));
  }

  readonly driver: DriverPort = {
    status: (cell) => this.#dry.status(cell),
    installRelease: (cell, release, claim) =>
      this.#step("installRelease", cell, () => this.#dry.installRelease(cell, release, claim)),
    migrate: (cell, release, claim, also) =>
      this.#step("migrate", cell, () => this.#dry.migrate(cell, release, claim, also)),
    startRelease: (cell, slot, release, claim) =>
      this.#step("startRelease", cell, () => this.#dry.startRelease(cell, slot, release, claim)),
    switchSlot: (cell, from, to, claim) =>
      this.#step("switchSlot", cell, () => this.#dry.switchSlot(cell, from, to, claim)),
    drain: (cell, slot) => this.#step("drain", cell, () => this.#dry.drain(cell, slot)),
    stopRelease: (cell, slot, claim) => this.#step("stopRelease", cell, () => this.#dry.stopRelease(cell, slot, claim)),
  };

  readonly synthetic: Synthetic = {
    ensureKey: async () => undefined,
    journeyAtSlot: async (cell, slot) => {
      const { release, ready } = (await this.#dry.status(cell)).slots[slot];
      if (release === null || !ready) throw workflowError("smoke-failed", `Slot ${slot} of ${cell} does not answer.`);
    },
    load: async (cell, _release, requests) => {
      await this.#count(cell, requests);
      return { sent: requests, failed: 0 };
    },
  };

  readonly parts: PartClient = {
    get: async <Schema extends TSchema>(url: string) =>
      (url.startsWith(simulatedRouter.url) ? this.#samples() : await this.#statusAt(url)) as Static<Schema>,
  };

  async #step(step: DriverStep, cell: CellId, work: () => Promise<void>): Promise<void> {
    const halfMs = this.#options.stepMs(step) / 2;
    if (halfMs > 0) await sleep(halfMs);
    const before = await this.#shape(cell);
    await work();
    const after = await this.#shape(cell);
    if (before !== after) this.effects.push(`${cell}: ${step}: ${before} → ${after}`);
    if (halfMs > 0) await sleep(halfMs);
  }

  async #shape(cell: CellId): Promise<string> {
    const { liveSlot, slots: at } = await this.#dry.status(cell);
    const beside = at[liveSlot === "a" ? "b" : "a"].release;
    return `${at[liveSlot].release ?? "nothing"}${beside === null ? "" : ` beside ${beside}`}`;
  }

  async #count(cell: CellId, requests: number): Promise<void> {
    const { liveSlot, slots: at } = await this.#dry.status(cell);
    const { release } = at[liveSlot];
    const key = `${cell} ${release}`;
    const counter = this.#counters.get(key);
    const latency = counter?.latency ?? latencyBoundsMs.map(() => 0).concat(0);
    this.#counters.set(key, {
      cell,
      release,
      synthetic: true,
      requests: (counter?.requests ?? 0) + requests,
      errors: 0,
      latency: latency.with(4, (latency[4] ?? 0) + requests),
    });
  }

  #samples(): Samples {
    // No two readings at the same time, however fast they are asked for.
    this.#readAt = Math.max(systemClock.now(), this.#readAt + 1);
    const at = new Date(this.#readAt).toISOString();
    return { source: simulatedRouter.id, instance: "one", at, counters: [...this.#counters.values()] };
  }

  async #statusAt(url: string): Promise<CellStatus> {
    const [cell, slot] = url.slice("simulated://".length).split("/") as [CellId, Slot];
    const { liveSlot, slots: at } = await this.#dry.status(cell);
    const { release, ready, problems } = at[slot];
    if (release === null) throw workflowError("part-unreachable", `Slot ${slot} of ${cell} does not answer.`);
    return {
      cell,
      slot,
      liveSlot,
      phase: slot === liveSlot ? "live" : "standby",
      release,
      digest: this.#digests.get(release) ?? "0".repeat(64),
      ready,
      problems: [...problems],
      incarnation: "1",
      schema: { kit: 1, app: 1 },
      tenants: 1,
      connections: 0,
      inFlight: 0,
      queue: { outbox: 0, oldestSeconds: 0, dead: 0 },
      fleetGeneration: null,
      startedAt: new Date(0).toISOString(),
    };
  }
}
