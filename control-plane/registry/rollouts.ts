import type { Clock } from "../../common/clock.ts";
import type { Rollout, RolloutPlan } from "../../common/contracts/rollout.ts";
import { operationId, type OperationId } from "../../common/ids.ts";
import { inTransaction, sqlState, type Pool } from "../../common/postgres/pool.ts";
import { uuidv7 } from "../../common/uuid.ts";
import { fail } from "../errors.ts";
import { change, type Cause } from "./change.ts";
import { refuseWhileStopped } from "./line.ts";
import {
  findRollout,
  insertRollout,
  listRollouts,
  lockStart,
  openRollout,
  updateRollout,
  markStarted,
} from "./rollouts.store.ts";

type Wiring = { readonly pool: Pool; readonly clock: Clock };
const uniqueViolation = "23505";

/**
 * Writes a planned rollout; a starter then starts its workflow.
 * @throws rollout-running, line-stopped
 */
export async function beginRollout(wiring: Wiring, cause: Cause, plan: RolloutPlan): Promise<Rollout> {
  const now = new Date(wiring.clock.now()).toISOString();
  const rollout: Rollout = {
    id: operationId(uuidv7(wiring.clock.now())),
    application: plan.application,
    release: plan.release,
    state: "planned",
    waitingFor: null,
    paused: false,
    reason: null,
    // The workflow's own count begins at 1, so that its first word is newer than this.
    revision: 0,
    wave: null,
    plan,
    waves: plan.waves.map(({ number, cells }) => ({
      number,
      state: "pending",
      cells: cells.map(({ cell }) => cell),
      bakeEndsAt: null,
    })),
    cells: plan.waves.flatMap(({ number, cells }) =>
      cells.map(({ cell, from, to }) => ({ cell, wave: number, step: "pending" as const, from, to, error: null })),
    ),
    history: [{ at: now, event: "planned", wave: null, cell: null, actor: cause.actor, reason: cause.reason ?? null }],
    requestedBy: cause.actor,
    createdAt: now,
    updatedAt: now,
  };
  try {
    await change(wiring, cause, async (step) => {
      await refuseWhileStopped(step);
      await insertRollout(step.tx, rollout);
      step.audit("rollout.start", plan.release, { operation: rollout.id });
      step.announce("rollout", rollout.id);
      step.wake("rollouts");
    });
  } catch (error) {
    if (sqlState(error) !== uniqueViolation) throw error;
    const open = await openRollout(wiring.pool, plan.application);
    throw fail(
      "rollout-running",
      open === null ? "A rollout is open." : `${open.id} (${open.release}) is ${open.state}.`,
      { cause: error },
    );
  }
  return rollout;
}

/** Writes the rollout as its workflow sees it; an older or equal revision changes nothing. */
export async function saveRollout(wiring: Wiring, rollout: Rollout): Promise<void> {
  await change(wiring, { actor: "worker" }, async (step) => {
    if (await updateRollout(step.tx, rollout)) step.announce("rollout", rollout.id);
  });
}

/**
 * Starts a rollout's workflow and notes it, the row locked meanwhile, so that it is not cancelled in between.
 * @param start answers whether the workflow runs now.
 * @returns whether it was started.
 */
export async function startOnce(
  pool: Pool,
  { id }: Rollout,
  start: (rollout: Rollout) => Promise<boolean>,
): Promise<boolean> {
  return await inTransaction(pool, async (tx) => {
    if (await lockStart(tx, id)) return true;
    const rollout = await findRollout(tx, id);
    if (rollout === null || rollout.state !== "planned") return true;
    if (!(await start(rollout))) return false;
    await markStarted(tx, id);
    return true;
  });
}

/**
 * Cancels a rollout that no workflow runs: one that was never started (nothing has been touched), or, when the caller has found that its
 * workflow is gone, an orphaned one (its cells keep what they run).
 * @returns false where its workflow was started, which then has to be asked.
 */
export async function cancelWithoutWorkflow(
  wiring: Wiring,
  cause: Cause,
  id: OperationId,
  which: "unstarted" | "orphaned",
): Promise<boolean> {
  const { result } = await change(wiring, cause, async (step) => {
    if ((await lockStart(step.tx, id)) && which === "unstarted") return false;
    const rollout = await findRollout(step.tx, id);
    if (rollout === null) return false;
    const now = new Date(wiring.clock.now()).toISOString();
    const entry = {
      at: now,
      event: which === "unstarted" ? "cancelled" : "cancelled: its workflow is gone",
      wave: null,
      cell: null,
      actor: cause.actor,
      reason: cause.reason ?? null,
    };
    const cancelled: Rollout = {
      ...rollout,
      state: "cancelled",
      reason: cause.reason ?? null,
      updatedAt: now,
      revision: rollout.revision + 1,
      history: [...rollout.history, entry],
    };
    if (!(await updateRollout(step.tx, cancelled))) return false;
    step.audit("rollout.cancel", rollout.release, { operation: id });
    step.announce("rollout", id);
    return true;
  });
  return result;
}

/** @throws unknown-rollout */
export async function showRollout(pool: Pool, id: OperationId | "latest"): Promise<Rollout> {
  const rollout = id === "latest" ? ((await listRollouts(pool, 1))[0] ?? null) : await findRollout(pool, id);
  if (rollout === null)
    throw fail("unknown-rollout", id === "latest" ? "There was no rollout yet." : `There is no rollout ${id}.`);
  return rollout;
}
