import Type, { type Static } from "typebox";
import Value from "typebox/value";
import type { Clock } from "../../common/clock.ts";
import type { ConfirmLeases } from "../../common/contracts/cell-admin.ts";
import type { LifePlan } from "../../common/contracts/restores.ts";
import type { CellId } from "../../common/ids.ts";
import type { Logger } from "../../common/log.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { Loop } from "../loop.ts";
import { listCells, type CellRecord } from "../registry/cells.store.ts";
import { lifeConfirmed, planLife } from "../registry/lives.ts";
import { claimPartners, dropPlan, findPlan, placementsFor } from "../registry/lives.store.ts";
import { callCell } from "./cell-call.ts";
import { decideLeases, HeldLease } from "./confirmation.ts";
import type { Monitor } from "./monitor.ts";
import type { PartClient } from "./part-client.ts";

const everyMs = 2_000;
const timeoutMs = 5_000;
/** Leases confirmed in one call; each is a few statements in one transaction of the cell. */
const confirmedAtOnce = 500;

// What is read of a cell's answers; kits a release older or newer may say more.
const LeaseList = Type.Object({ leases: Type.Array(HeldLease) });
const LifeWord = Type.Object({ file: Type.Union([Type.String(), Type.Null()]), confirmed: Type.Boolean() });
type LifeWord = Static<typeof LifeWord>;

// A cell whose database began another life (restored, promoted, copied).
//   unconfirmed  it serves nothing and says so                          → planned (every cell that matters answered)
//   planned      the registry has decided, published and written it down  → confirmed (the cell took it), unconfirmed (it refused)
//   confirmed    it serves at the new epochs
// Each step may be repeated; a death between two repeats the last.

/** Has the registry say, for each lease of a restored cell, whether the cell goes on with it: at a sign and on a timer. */
export function createLifeReconciler(options: {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly parts: PartClient;
  readonly monitor: Monitor;
  readonly log: Logger;
}): Loop {
  const { pool, parts, monitor, log } = options;
  const cause = { actor: "control-plane" };
  const waiting = new Map<CellId, string>();

  async function work(): Promise<void> {
    const cells = await listCells(pool);
    for (const cell of cells) if (isSuspect(monitor, cell.id)) await settle(cell, cells);
  }

  async function settle(cell: CellRecord, cells: readonly CellRecord[]): Promise<void> {
    const life = await askIncarnation(parts, cell);
    if (life === null || life.confirmed || life.file === null) return;
    const known = await findPlan(pool, cell.id, life.file);
    const plan = known ?? (await decide(cell, cells, life.file));
    if (plan === null) return;
    await tell(cell, life.file, plan);
  }

  async function decide(cell: CellRecord, cells: readonly CellRecord[], incarnation: string): Promise<LifePlan | null> {
    const leases = await askLeases(parts, cell);
    if (leases === null) return null;
    const others = new Map<CellId, readonly HeldLease[] | null>();
    await Promise.all(
      cells
        .filter(({ id }) => id !== cell.id)
        .map(async (other) => others.set(other.id, await askLeases(parts, other))),
    );
    const decision = decideLeases({
      cell: cell.id,
      incarnation,
      leases,
      others,
      partners: new Set(await claimPartners(pool, cell.id)),
      placements: await placementsFor(
        pool,
        cell.id,
        leases.map(({ tenant }) => tenant),
      ),
    });
    if (decision.kind === "waits") {
      const silent = decision.for.join(", ");
      if (waiting.get(cell.id) !== silent) log.warn({ event: "life-waits", cell: cell.id, incarnation, for: silent });
      waiting.set(cell.id, silent);
      return null;
    }
    waiting.delete(cell.id);
    await planLife(options, cause, cell.id, incarnation, decision.plan);
    log.info({ event: "life-planned", cell: cell.id, incarnation, ...counts(decision.plan) });
    return decision.plan;
  }

  async function tell(cell: CellRecord, incarnation: string, plan: LifePlan): Promise<void> {
    const words: ConfirmLeases["leases"] = [
      ...plan.confirmed.map(({ tenant, epoch }) => ({ tenant, epoch })),
      ...plan.dropped.map(({ tenant }) => ({ tenant, dropped: true as const })),
    ];
    let confirmed = false;
    for (let from = 0; from === 0 || from < words.length; from += confirmedAtOnce) {
      const body: ConfirmLeases = { incarnation, leases: words.slice(from, from + confirmedAtOnce) };
      const answer = await callCell(parts, cell, "/v1/incarnation/confirm", timeoutMs, body);
      if (answer === null) return;
      if (answer.status !== 200 || !Value.Check(LifeWord, answer.body)) {
        // Something came between, e.g. another lease: decide anew from what is there now.
        log.warn({ event: "life-refused", cell: cell.id, incarnation, status: answer.status, answer: answer.body });
        return await dropPlan(pool, cell.id, incarnation);
      }
      ({ confirmed } = answer.body);
    }
    if (!confirmed) return await dropPlan(pool, cell.id, incarnation);
    await lifeConfirmed(options, cause, cell.id, incarnation);
    log.info({ event: "life-confirmed", cell: cell.id, incarnation });
    monitor.loop.signal();
  }

  return new Loop({ name: "life-reconciler", everyMs, work, log });
}

/** A cell in its own life is not asked more than its status. */
function isSuspect(monitor: Monitor, cell: CellId): boolean {
  return monitor.cell(cell).problems.some((problem) => problem.startsWith("incarnation-unconfirmed"));
}

async function askIncarnation(parts: PartClient, cell: CellRecord): Promise<LifeWord | null> {
  const answer = await callCell(parts, cell, "/v1/incarnation", timeoutMs);
  return answer?.status === 200 && Value.Check(LifeWord, answer.body) ? answer.body : null;
}

/** A cell's leases, null where it does not answer. */
async function askLeases(parts: PartClient, cell: CellRecord): Promise<readonly HeldLease[] | null> {
  const answer = await callCell(parts, cell, "/v1/leases", timeoutMs);
  return answer?.status === 200 && Value.Check(LeaseList, answer.body) ? answer.body.leases : null;
}

function counts({ confirmed, dropped, granted, followed }: LifePlan): Record<string, number> {
  return {
    confirmed: confirmed.length,
    dropped: dropped.length,
    granted: granted.length,
    followed: followed.length,
  };
}
