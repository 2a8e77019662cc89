import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { CellUnderTest, type TestTenant } from "../../tests/integration/cells/cell-under-test.ts";
import { freePort } from "../../tests/support/ports.ts";
import { Generator } from "../runner/generator.ts";
import type { LoopOptions, LoopResult } from "../runner/closed-loop.ts";
import { cores, pinned, pinRunning } from "../runner/pin.ts";
import type { Order } from "./load.ts";
import { makeBareSchema, seedNotes, type Durability, readDurability, countNotes } from "./notes.ts";

const tenantCount = 20;
const boards = 20;
const release = "bench-notes@1";
/** The kit's own size; the peer gets the same. */
const poolSize = 10;

export type Side = "kit" | "bare";
/** `apart`: a write whose COMMIT is a message of its own, as where the handler does not say which statement is the last. */
export type Kind = "write" | "apart" | "read";

/** Kit and peer side by side: one PostgreSQL, two databases with the same rows, two API processes on one core. */
export class Stage {
  readonly durability: Durability;
  readonly #cell: CellUnderTest;
  readonly #tenants: readonly TestTenant[];
  readonly #barePort: number;
  readonly #bareUrl: string;
  readonly #load: Generator<Order, LoopResult>;
  readonly #stopBare: () => Promise<void>;
  readonly #written = { kit: 0, bare: 0 };
  wrong = 0;
  example: string | null = null;

  private constructor(
    cell: CellUnderTest,
    tenants: readonly TestTenant[],
    bare: { readonly port: number; readonly url: string; readonly stop: () => Promise<void> },
    durability: Durability,
  ) {
    this.#cell = cell;
    this.#tenants = tenants;
    this.#barePort = bare.port;
    this.#bareUrl = bare.url;
    this.#stopBare = bare.stop;
    this.durability = durability;
    this.#load = new Generator(join(import.meta.dirname, "load.ts"));
  }

  static async start(): Promise<Stage> {
    const cell = await CellUnderTest.start({ durable: true });
    await pinRunning(cores.others, cell.postgres.pid);
    await cell.release("bench/kit/app", "1");
    await cell.migrate(release);
    const tenants = Array.from({ length: tenantCount }, (_, index) => cell.addTenant(`tenant-${index}`));
    await cell.startApi(release);
    await pinRunning(cores.subject, cell.pidOf("api"));
    for (const tenant of tenants) await cell.grant(tenant);

    const database = await cell.postgres.freshDatabase();
    await makeBareSchema(database.ownerUrl);
    for (const url of [cell.database.url, database.url]) await seedNotes(url, tenants, boards);
    const port = await freePort();
    const [command, args] = pinned(cores.subject, process.execPath, [
      join(import.meta.dirname, "bare.ts"),
      database.ownerUrl,
      String(port),
      String(poolSize),
    ]);
    const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"] });
    const gone = once(child, "exit");
    const stop = async (): Promise<void> => {
      child.kill("SIGTERM");
      await gone;
    };
    while ((await fetch(`http://127.0.0.1:${port}/`).catch(() => null)) === null) await sleep(50);
    return new Stage(
      cell,
      tenants,
      { port, url: database.url, stop },
      await readDurability([cell.database.url, database.url]),
    );
  }

  /** Answers a second. */
  async measure(side: Side, kind: Kind, options: Omit<LoopOptions, "port">): Promise<number> {
    const port = side === "kit" ? Number(new URL(this.#cell.url()).port) : this.#barePort;
    const requests = await Promise.all(this.#tenants.map((tenant, index) => this.#request(side, kind, tenant, index)));
    const result = await this.#load.run({ ...options, port, requests });
    this.wrong += result.wrong;
    this.example ??= result.example;
    if (kind !== "read") this.#written[side] += result.all;
    return result.answered / result.seconds;
  }

  /** Rows that were acknowledged and are not there, or the other way round: none, or the figures are worth nothing. */
  async missing(): Promise<number> {
    const seeded = tenantCount * boards * 10;
    const kit = await countNotes(this.#cell.database.url);
    const bare = await countNotes(this.#bareUrl);
    return Math.abs(kit - seeded - this.#written.kit) + Math.abs(bare - seeded - this.#written.bare);
  }

  get apiPid(): number {
    return this.#cell.pidOf("api");
  }
  get kitDatabase(): string {
    return this.#cell.database.url;
  }

  async stop(): Promise<void> {
    await this.#load.stop();
    await this.#stopBare();
    await this.#cell.stop();
  }

  async #request(side: Side, kind: Kind, tenant: TestTenant, index: number): Promise<Order["requests"][number]> {
    const headers: Record<string, string> =
      side === "kit" ? { "cellplane-assertion": await this.#cell.assertion(tenant) } : { "x-tenant": tenant.id };
    return kind !== "read"
      ? {
          method: "POST",
          path: side === "kit" && kind === "apart" ? "/v1/notes-committed-apart" : "/v1/notes",
          headers,
          // A board that no read asks for, so that reads do not slow down as writes go on.
          body: JSON.stringify({
            board: boards + index,
            body: `a note of ${tenant.slug}: ${"lorem ipsum ".repeat(10)}`,
          }),
          status: 201,
          contains: '{"id":"',
        }
      : {
          method: "GET",
          path: `/v1/boards/${index % boards}`,
          headers,
          status: 200,
          contains: `note 9 of ${tenant.slug} `,
        };
  }
}
