import type { Clock } from "../../common/clock.ts";
import { CellStatus } from "../../common/contracts/cell-admin.ts";
import type { Cell } from "../../common/contracts/control-plane.ts";
import type { Slot } from "../../common/contracts/lease.ts";
import { NoAnswer } from "../../common/http/exchange.ts";
import Value from "typebox/value";
import type { CellId, ReleaseName } from "../../common/ids.ts";
import type { CellRecord } from "../registry/cells.store.ts";
import type { PartClient } from "./part-client.ts";

const timeoutMs = 1_500;

/** What was last heard of a cell. */
export interface CellReport {
  readonly health: Cell["health"];
  readonly problems: readonly string[];
  readonly checkedAt: string | null;
  /** The live slot's own word, null where none answers. */
  readonly status: CellStatus | null;
}

export const unheard: CellReport = { health: "unknown", problems: [], checkedAt: null, status: null };

/**
 * Asks a cell how it is: the live slot's API, then its queue worker.
 *   healthy   the live slot is ready, its worker too
 *   degraded  it answers, and something is wrong; `problems` says what
 *   down      no live slot answers
 */
export async function askCell(parts: PartClient, clock: Clock, cell: CellRecord): Promise<CellReport> {
  const checkedAt = new Date(clock.now()).toISOString();
  const live = await liveStatus(parts, cell);
  if (live === null) return { health: "down", problems: ["the live slot does not answer"], checkedAt, status: null };
  const worker = await workerProblem(parts, cell, live.slot);
  const problems = [...live.problems, ...(worker === null ? [] : [worker])];
  if (!live.ready && problems.length === 0) problems.push("not ready");
  return { health: problems.length === 0 ? "healthy" : "degraded", problems, checkedAt, status: live };
}

async function liveStatus(parts: PartClient, cell: CellRecord): Promise<CellStatus | null> {
  const published = await slotStatus(parts, cell, cell.liveSlot);
  if (published !== null && published.liveSlot === cell.liveSlot) return published;
  const other = await slotStatus(parts, cell, cell.liveSlot === "a" ? "b" : "a");
  if (other !== null && other.liveSlot === other.slot) return other;
  return null;
}

async function slotStatus(parts: PartClient, cell: CellRecord, slot: Slot): Promise<CellStatus | null> {
  try {
    const answer = await parts.call({ url: `${cell.slots[slot].adminUrl}/v1/status`, audience: cell.id, timeoutMs });
    return answer.status === 200 && Value.Check(CellStatus, answer.body) ? answer.body : null;
  } catch (error) {
    if (error instanceof NoAnswer) return null;
    throw error;
  }
}

async function workerProblem(parts: PartClient, cell: CellRecord, slot: Slot): Promise<string | null> {
  try {
    const { status } = await parts.call({ url: `${cell.slots[slot].workerUrl}/readyz`, audience: null, timeoutMs });
    return status === 200 ? null : "the queue worker is not ready";
  } catch (error) {
    if (error instanceof NoAnswer) return "the queue worker does not answer";
    throw error;
  }
}

/** What of a report a person would call a change. */
export function differs(a: CellReport, b: CellReport): boolean {
  return a.health !== b.health || a.problems.join() !== b.problems.join() || a.status?.release !== b.status?.release;
}

/** Where the cell itself says that another slot or release is live than is published. */
export function liveDifference(
  cell: CellRecord,
  { status }: CellReport,
): { readonly slot: Slot; readonly release: ReleaseName } | null {
  if (status === null || (status.liveSlot === cell.liveSlot && status.release === cell.release)) return null;
  return status.slot === status.liveSlot ? { slot: status.liveSlot, release: status.release } : null;
}

/** A cell as the API shows it. */
export function shownCell(cell: CellRecord, report: CellReport): Cell {
  const { id, region, cordoned, liveSlot, release, tenants, slots } = cell;
  const { health, problems, checkedAt } = report;
  return {
    id,
    region,
    cordoned,
    liveSlot,
    release,
    tenants,
    slots: { a: slots.a, b: slots.b },
    health,
    problems: [...problems],
    alarms: report.status?.alarms ?? [],
    checkedAt,
  };
}

/** Ids of the cells that were last heard to be down. */
export function downCells(reports: ReadonlyMap<CellId, CellReport>): ReadonlySet<CellId> {
  return new Set([...reports].filter(([, report]) => report.health === "down").map(([id]) => id));
}
