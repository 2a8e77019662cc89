import type { Look, Watch } from "../../common/contracts/bake.ts";
import type { OperationId } from "../../common/ids.ts";
import { inTransaction, type Pool } from "../../common/postgres/pool.ts";
import { fail } from "../errors.ts";
import { beforeDeploy } from "../rollout/before.ts";
import { lookOf, type LookTime, type Seen, type WatchRequest } from "../rollout/looks.ts";
import { readingsBetween } from "./readings.store.ts";
import { findWatch, insertLook, insertWatch, lastComparison, lockWatch } from "./watches.store.ts";

/** So much of the time before a deploy is asked for: the hour that the day's course hardly changes. */
const beforeMs = 3_600_000;

/** Opens a watch over a wave; does nothing where it is open. */
export async function openWatch(pool: Pool, operation: OperationId, request: WatchRequest): Promise<void> {
  const { wave, number, purpose, beganAt, cells, controls, powerless } = request;
  const deployedAt = Date.parse(request.deployedAt);
  const known = beforeDeploy(await readingsBetween(pool, new Date(deployedAt - beforeMs), new Date(deployedAt)));
  const compared = new Set<string>([...cells.map(({ cell }) => cell), ...controls]);
  const before = known.filter(({ cell, seconds }) => compared.has(cell) && seconds > 0);
  const comparison = before.length === 0 ? null : { controls: [...controls], before: [...before], powerless };
  const earlier = await Promise.all(
    request.earlier.map(async (one) => {
      const own = await lastComparison(pool, operation, one.wave);
      // Controls of then may have been changed since.
      const still = own === null ? null : { ...own, controls: own.controls.filter((cell) => controls.includes(cell)) };
      return { ...one, comparison: still };
    }),
  );
  await insertWatch(pool, operation, { wave, number, purpose, beganAt, cells, comparison, earlier });
}

/**
 * Adds a look to a watch. Looks are numbered, so that one that is told twice is written once.
 * @returns the look as it is kept.
 * @throws unknown-watch
 */
export async function addLook(
  pool: Pool,
  of: { readonly operation: OperationId; readonly number: number; readonly look: number },
  seen: Seen,
  time: LookTime,
  staleSeconds: number,
): Promise<Look> {
  return await inTransaction(pool, async (tx) => {
    const opened = await lockWatch(tx, of.operation, of.number);
    if (opened === null) throw fail("unknown-watch", `Rollout ${of.operation} has no watch ${of.number}.`);
    const { look, last } = lookOf(seen, opened.last, time, staleSeconds);
    return await insertLook(tx, of, look, last);
  });
}

/**
 * A watch with its looks: all, or those before the numbered one.
 * @throws unknown-watch
 */
export async function readWatch(pool: Pool, operation: OperationId, number: number, before?: number): Promise<Watch> {
  const watch = await findWatch(pool, operation, number, before);
  if (watch === null) throw fail("unknown-watch", `Rollout ${operation} has no watch ${number}.`);
  return watch;
}
