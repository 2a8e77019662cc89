import type { HistoryEntry, Rollout, Standing } from "../../../common/contracts/rollout.ts";
import type { Answer, Context } from "../../context.ts";
import { duration, table } from "../../text.ts";

/** A state that a rollout was in. */
export interface TimelineEntry extends Standing {
  readonly at: string;
  readonly afterSeconds: number;
  /** Null where it still is. */
  readonly lastedSeconds: number | null;
  readonly wave: number | null;
  /** What led to it, by whom, and why. */
  readonly event: string;
  readonly actor: string;
  readonly reason: string | null;
}

/** `rollout timeline` */
export async function showTimeline(context: Context, input: { readonly id?: string }): Promise<Answer> {
  const plane = await context.controlPlane();
  const id = input.id === undefined ? "latest" : encodeURIComponent(input.id);
  const rollout = await plane.get<Rollout>(`/v1/rollouts/${id}`);
  const timeline = timelineOf(rollout.history);
  const rows = timeline.map((entry) => [
    entry.at,
    `+${duration(entry.afterSeconds)}`,
    entry.lastedSeconds === null ? "" : duration(entry.lastedSeconds),
    standingText(entry),
    entry.wave ?? "",
    entry.actor,
    `${entry.event}${entry.reason === null ? "" : `: ${entry.reason}`}`,
  ]);
  return {
    json: { id: rollout.id, release: rollout.release, timeline },
    text: table(["AT", "SINCE START", "LASTED", "STATE", "WAVE", "BY", "WHAT LED THERE"], rows),
  };
}

/** The states of a rollout in their order, from its history. Pure. The last one lasts unless it is a final one, which has no length either. */
export function timelineOf(history: readonly HistoryEntry[]): TimelineEntry[] {
  const changes = history.flatMap((entry) =>
    entry.standing === undefined ? [] : [{ ...entry, standing: entry.standing }],
  );
  const start = changes[0]?.at ?? "";
  return changes.map(({ at, wave, event, actor, reason, standing }, n) => {
    const next = changes[n + 1];
    const lastedSeconds = next === undefined ? null : secondsBetween(at, next.at);
    return { at, afterSeconds: secondsBetween(start, at), lastedSeconds, ...standing, wave, event, actor, reason };
  });
}

function standingText({ state, waitingFor, paused, stopped }: Standing): string {
  const flags = [waitingFor === null ? "" : `for ${waitingFor}`, paused ? "paused" : "", stopped ? "line stopped" : ""];
  return [state, ...flags.filter((flag) => flag !== "")].join(", ").replace(", for ", " for ");
}

function secondsBetween(from: string, to: string): number {
  return Math.max(0, (Date.parse(to) - Date.parse(from)) / 1_000);
}
