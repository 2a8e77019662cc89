import type { HistoryEntry, Rollout } from "../../../common/contracts/rollout.ts";

/** What happened to a watched rollout; as JSON, one a line, what `--watch` tells a pipe. */
export type Change =
  | ({ readonly kind: "entry" } & HistoryEntry)
  | ({ readonly kind: "cell"; readonly at: string } & Pick<
      Rollout["cells"][number],
      "cell" | "wave" | "step" | "error"
    >)
  | ({ readonly kind: "state"; readonly at: string } & Pick<
      Rollout,
      "id" | "release" | "state" | "waitingFor" | "paused" | "reason"
    >);

/** What happened between two readings of one rollout, oldest first. */
export function changesBetween(before: Rollout | null, after: Rollout): Change[] {
  const changes: Change[] = after.history
    .slice(before?.history.length ?? 0)
    .map((entry) => ({ kind: "entry", ...entry }));
  const steps = new Map(before?.cells.map((cell) => [cell.cell, cell.step]));
  for (const { cell, wave, step, error } of after.cells) {
    if (steps.get(cell) === step || (before === null && step === "pending")) continue;
    changes.push({ kind: "cell", at: after.updatedAt, cell, wave, step, error });
  }
  if (before?.state !== after.state || before.waitingFor !== after.waitingFor || before.paused !== after.paused) {
    const { id, release, state, waitingFor, paused, reason, updatedAt } = after;
    changes.push({ kind: "state", at: updatedAt, id, release, state, waitingFor, paused, reason });
  }
  return changes;
}

/** A change for people. */
export function changeText(change: Change): string {
  switch (change.kind) {
    case "entry":
      return entryText(change);
    case "cell": {
      const { at, cell, wave, step, error } = change;
      return `${clockOf(at)}  wave ${wave}  ${cell}  ${step}${error === null ? "" : `: ${error}`}`;
    }
    case "state": {
      const waiting = change.waitingFor === null ? "" : ` for ${change.waitingFor}`;
      return `${clockOf(change.at)}  ${change.release} ${change.state}${waiting}${change.paused ? ", paused" : ""}`;
    }
    default:
      return change satisfies never;
  }
}

/** One entry of a rollout's history. */
export function entryText(entry: HistoryEntry): string {
  const where = [entry.wave === null ? "" : `wave ${entry.wave}`, entry.cell ?? ""].filter((word) => word !== "");
  const verdict =
    entry.verdict === undefined
      ? ""
      : ` ${entry.verdict.verdict} (${entry.verdict.gate}, ${entry.verdict.traffic} traffic): ${entry.verdict.reason}`;
  const reason = entry.reason === null || entry.reason === entry.verdict?.reason ? "" : `: ${entry.reason}`;
  return [clockOf(entry.at), ...where, `${entry.event}${verdict}${reason}`].join("  ");
}

function clockOf(timestamp: string): string {
  return timestamp.slice(11, 19);
}
