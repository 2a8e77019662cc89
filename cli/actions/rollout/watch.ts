import { setTimeout as sleep } from "node:timers/promises";
import { CellplaneError } from "../../../common/errors.ts";
import type { Rollout } from "../../../common/contracts/rollout.ts";
import type { Context } from "../../context.ts";
import type { ControlPlane } from "../../control-plane.ts";
import { changesBetween } from "./changes.ts";
import { endingOf } from "./ending.ts";
import { rolloutTree } from "./tree.ts";

const pollMs = 500;
/** A single reading; far above what the registry takes, below what a person calls stuck. */
const readingLimitMs = 5_000;
/** How long the control plane may be away before the watcher gives up; a restart takes seconds. */
const absenceLimitMs = 60_000;

/**
 * Follows a rollout to its end. On a terminal the tree of waves is rewritten in place; elsewhere each change is a line.
 * @returns the rollout as it ended
 * @throws CellplaneError `control-plane-unreachable` when the control plane is away for more than a minute.
 */
export async function watchRollout(context: Context, plane: ControlPlane, first: Rollout): Promise<Rollout> {
  const show = context.terminal ? inPlace(context) : asLines(context);
  let rollout = first;
  show(rollout, null);
  while (endingOf(rollout) === null) {
    await sleep(pollMs);
    rollout = await nextReading(plane, first.id, (absence) => show(rollout, absence));
    show(rollout, null);
  }
  return rollout;
}

async function nextReading(plane: ControlPlane, id: string, absent: (words: string) => void): Promise<Rollout> {
  const since = performance.now();
  for (;;) {
    try {
      return await plane.get<Rollout>(`/v1/rollouts/${id}`, readingLimitMs);
    } catch (error) {
      const away = error instanceof CellplaneError && error.code === "control-plane-unreachable";
      if (!away || performance.now() - since > absenceLimitMs) throw error;
      absent("the control plane does not answer; the rollout goes on without it, trying again …");
      await sleep(pollMs);
    }
  }
}

type Show = (rollout: Rollout, absence: string | null) => void;

function asLines(context: Context): Show {
  let before: Rollout | null = null;
  let absentBefore: string | null = null;
  return (rollout, absence) => {
    if (absence !== null && absentBefore === null) context.progress(`${absence}\n`);
    absentBefore = absence;
    for (const line of changesBetween(before, rollout)) context.progress(`${line}\n`);
    before = rollout;
  };
}

/** Goes back over what it wrote last and writes it anew; lines are cut at the terminal's width, because a wrapped one is two. */
function inPlace(context: Context): Show {
  let written = 0;
  return (rollout, absence) => {
    const lines = rolloutTree(rollout, Date.now());
    if (absence !== null) lines.push("", absence);
    const up = written === 0 ? "" : `\u001B[${written}A`;
    context.progress(`${up}\u001B[J${lines.map((line) => `${line.slice(0, context.columns - 1)}\n`).join("")}`);
    written = lines.length;
  };
}
