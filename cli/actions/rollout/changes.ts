import type { HistoryEntry, Rollout } from "../../../common/contracts/rollout.ts";

/** What happened between two readings of one rollout, one line each, oldest first; for logs and pipes. */
export function changesBetween(before: Rollout | null, after: Rollout): string[] {
  const known = before?.history.length ?? 0;
  const lines = after.history.slice(known).map(entryText);
  const steps = new Map(before?.cells.map((cell) => [cell.cell, cell.step]));
  for (const cell of after.cells) {
    if (steps.get(cell.cell) === cell.step || (before === null && cell.step === "pending")) continue;
    lines.push(
      `${clockOf(after.updatedAt)}  wave ${cell.wave}  ${cell.cell}  ${cell.step}${cell.error === null ? "" : `: ${cell.error}`}`,
    );
  }
  if (before?.state !== after.state || before.paused !== after.paused) {
    const waiting = after.waitingFor === null ? "" : ` for ${after.waitingFor}`;
    lines.push(
      `${clockOf(after.updatedAt)}  ${after.release} ${after.state}${waiting}${after.paused ? ", paused" : ""}`,
    );
  }
  return lines;
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
