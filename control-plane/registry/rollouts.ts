import type { Clock } from "../../common/clock.ts";
import type { Rollout, RolloutPlan } from "../../common/contracts/rollout.ts";
import { operationId, type OperationId } from "../../common/ids.ts";
import { inTransaction, sqlState, type Pool } from "../../common/postgres/pool.ts";
import { uuidv7 } from "../../common/uuid.ts";
import { fail } from "../errors.ts";
import { isFinal } from "../rollout/progress.ts";
import { standingOf } from "../rollout/state-changes.ts";
import { tellStateChanges } from "../webhooks/outbox.ts";
import { change, type Cause, type Change } from "./change.ts";
import { deleteClaims } from "./claims.store.ts";
import { refuseWhileStopped } from "./line.ts";
import {
  findRollout,
  insertRollout,
  listRollouts,
  lockStanding,
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
    history: [
      {
        at: now,
        event: "planned",
        wave: null,
        cell: null,
        actor: cause.actor,
        reason: cause.reason ?? null,
        standing: { state: "planned", waitingFor: null, paused: false, stopped: false },
      },
    ],
    requestedBy: cause.actor,
    createdAt: now,
    updatedAt: now,
  };
  try {
    await change(wiring, cause, async (step) => {
      await refuseWhileStopped(step);
      await insertRollout(step.tx, rollout);
      await tellStateChanges(step, null, rollout);
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
    const known = await lockStanding(step.tx, rollout.id);
    if (!(await updateRollout(step.tx, rollout))) return;
    await tellStateChanges(step, known, rollout);
    step.announce("rollout", rollout.id);
  });
}

/** A rollout that has ended, or was given up, takes no cells again: its workflow has come back from the dead. @throws rollout-over */
export async function refuseOver(step: Change, operation: OperationId): Promise<void> {
  const known = await lockStanding(step.tx, operation);
  if (known !== null && isFinal(known.standing.state))
    throw fail("rollout-over", `The rollout is ${known.standing.state}.`);
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
      standing: { ...standingOf(rollout), state: "cancelled" as const, waitingFor: null },
    };
    const cancelled: Rollout = {
      ...rollout,
      state: "cancelled",
      waitingFor: null,
      reason: cause.reason ?? null,
      updatedAt: now,
      revision: rollout.revision + 1,
      history: [...rollout.history, entry],
    };
    if (!(await updateRollout(step.tx, cancelled))) return false;
    await tellStateChanges(step, { entries: rollout.history.length, standing: standingOf(rollout) }, cancelled);
    step.audit("rollout.cancel", rollout.release, { operation: id });
    step.announce("rollout", id);
    return true;
  });
  return result;
}

/**
 * Closes a rollout whose workflow is lost: it is cancelled, its cells are free, and what its workflow should still do, if it comes back, is refused, for it holds
 * no cell any more.
 * @param standing how the cells that were in mid-change say they stand.
 * @throws unknown-rollout, rollout-over
 */
export async function abandonRollout(
  wiring: Wiring,
  cause: Cause,
  id: OperationId,
  standing: (rollout: Rollout) => Rollout["cells"],
): Promise<Rollout> {
  const { result } = await change(wiring, cause, async (step) => {
    await lockStart(step.tx, id);
    await lockStanding(step.tx, id);
    const rollout = await findRollout(step.tx, id);
    if (rollout === null) throw fail("unknown-rollout", `There is no rollout ${id}.`);
    if (isFinal(rollout.state)) throw fail("rollout-over", `The rollout is ${rollout.state}.`);
    const now = new Date(wiring.clock.now()).toISOString();
    const { actor, reason = null } = cause;
    const to = { ...standingOf(rollout), state: "cancelled" as const, waitingFor: null };
    const entry = { at: now, event: "abandoned", wave: rollout.wave, cell: null, actor, reason, standing: to };
    const abandoned: Rollout = {
      ...rollout,
      state: "cancelled",
      waitingFor: null,
      reason,
      updatedAt: now,
      // Above what the workflow may still say.
      revision: rollout.revision + 1,
      cells: standing(rollout),
      history: [...rollout.history, entry],
    };
    await updateRollout(step.tx, abandoned);
    await tellStateChanges(step, { entries: rollout.history.length, standing: standingOf(rollout) }, abandoned);
    await deleteClaims(step.tx, id);
    step.audit("operation.abandon", rollout.release, { operation: id });
    step.announce("rollout", id);
    return abandoned;
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
