import type { HistoryEntry, Rollout, Standing } from "../../common/contracts/rollout.ts";

/** An entry of a rollout's history that changed its state, and its place in the history. */
export interface StateChange {
  readonly sequence: number;
  readonly entry: HistoryEntry;
  readonly to: Standing;
}

export function standingOf({
  state,
  waitingFor,
  paused,
  stopped = false,
}: Omit<Standing, "stopped"> & { readonly stopped?: boolean }): Standing {
  return { state, waitingFor, paused, stopped };
}

export function isSameStanding(a: Standing, b: Standing): boolean {
  return a.state === b.state && a.waitingFor === b.waitingFor && a.paused === b.paused && a.stopped === b.stopped;
}

/**
 * The changes of state that a newer record of a rollout brings, however many lie between: each is an entry of its history. Rollouts that began before entries said
 * so tell the last one alone.
 * @param known entries of the history, and the standing, of the record before.
 */
export function stateChanges(
  known: { readonly entries: number; readonly standing: Standing },
  after: Pick<Rollout, "history" | "state" | "waitingFor" | "paused" | "stopped">,
): readonly StateChange[] {
  const told = after.history.flatMap((entry, sequence) =>
    sequence >= known.entries && entry.standing !== undefined ? [{ sequence, entry, to: entry.standing }] : [],
  );
  const to = standingOf(after);
  const last = after.history.at(-1);
  if (told.length > 0 || last === undefined || isSameStanding(known.standing, to)) return told;
  return [{ sequence: after.history.length - 1, entry: last, to }];
}
