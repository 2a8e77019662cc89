import type { Clock } from "../../common/clock.ts";
import type { Overview, Part } from "../../common/contracts/control-plane.ts";
import { NoAnswer } from "../../common/http/exchange.ts";
import type { CellId } from "../../common/ids.ts";
import type { Logger } from "../../common/log.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { Loop } from "../loop.ts";
import { publishLive } from "../registry/cells.ts";
import { listCells, type CellRecord } from "../registry/cells.store.ts";
import { notify } from "../registry/notifications.store.ts";
import { listParts } from "../registry/parts.store.ts";
import { askCell, differs, liveDifference, unheard, type CellReport } from "./cell-health.ts";
import type { PartClient } from "./part-client.ts";

const everyMs = 2_000;
/** While a cell is not healthy one waits for it: it is asked more often. */
const soonMs = 400;
const concurrency = 8;
const timeoutMs = 1_500;

export type PartState = Overview["parts"][number]["state"];

/** Asks every cell and part how it is, in the background, and remembers the answers. */
export class Monitor {
  readonly loop: Loop;
  readonly #options: { readonly pool: Pool; readonly clock: Clock; readonly parts: PartClient; readonly log: Logger };
  readonly #cells = new Map<CellId, CellReport>();
  readonly #parts = new Map<string, PartState>();
  /** What a cell said of itself last time, where it differs from what is published: twice the same is believed. */
  readonly #differences = new Map<CellId, string>();

  constructor(options: {
    readonly pool: Pool;
    readonly clock: Clock;
    readonly parts: PartClient;
    readonly log: Logger;
  }) {
    this.#options = options;
    this.loop = new Loop({ name: "monitor", everyMs, log: options.log, work: () => this.#round() });
  }

  get cells(): ReadonlyMap<CellId, CellReport> {
    return this.#cells;
  }

  cell(id: CellId): CellReport {
    return this.#cells.get(id) ?? unheard;
  }

  part(id: string): PartState {
    return this.#parts.get(id) ?? "unknown";
  }

  async #round(): Promise<void> {
    const [cells, parts] = await Promise.all([listCells(this.#options.pool), listParts(this.#options.pool)]);
    const queue = [
      ...cells.map((cell) => () => this.#visit(cell)),
      ...parts.map((part) => () => this.#ping(part)),
    ].values();
    const worker = async (): Promise<void> => {
      for (const visit of queue) await visit();
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
    if (cells.some(({ id }) => this.cell(id).health !== "healthy"))
      setTimeout(() => this.loop.signal(), soonMs).unref();
  }

  async #visit(cell: CellRecord): Promise<void> {
    const { pool, clock, parts, log } = this.#options;
    const before = this.cell(cell.id);
    const report = await askCell(parts, clock, cell);
    this.#cells.set(cell.id, report);
    await this.#followLive(cell, report);
    if (!differs(before, report)) return;
    const at = new Date(clock.now()).toISOString();
    log.info({ event: "cell-health", cell: cell.id, health: report.health, problems: report.problems });
    await notify(pool, { topic: "event", event: { kind: "cell", id: cell.id, at } });
  }

  /** Somebody may have switched a cell past the control plane (`--direct`): the document follows what the cell says twice. */
  async #followLive(cell: CellRecord, report: CellReport): Promise<void> {
    const difference = liveDifference(cell, report);
    const word = difference === null ? "" : `${difference.slot}/${difference.release}`;
    const isTold = difference !== null && this.#differences.get(cell.id) === word;
    this.#differences.set(cell.id, word);
    if (!isTold) return;
    const { pool, clock } = this.#options;
    await publishLive(
      { pool, clock },
      { actor: "control-plane", reason: "the cell says so" },
      cell.id,
      difference.slot,
      difference.release,
    );
  }

  async #ping(part: Part): Promise<void> {
    if (part.url === null || part.role === "control-plane") return;
    try {
      const { status } = await this.#options.parts.call({ url: `${part.url}/healthz`, audience: null, timeoutMs });
      this.#parts.set(part.id, status === 200 ? "up" : "down");
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      this.#parts.set(part.id, "down");
    }
  }
}
