import { setTimeout as sleep } from "node:timers/promises";
import { CellplaneError } from "../../../common/errors.ts";
import type { Rollout } from "../../../common/contracts/rollout.ts";
import type { Context, Terminal } from "../../context.ts";
import type { ControlPlane } from "../../control-plane.ts";
import { type Change, changesBetween, changeText } from "./changes.ts";
import { coloured } from "./colour.ts";
import { endingOf } from "./ending.ts";
import { rolloutTree } from "./tree.ts";

const pollMs = 500;
/** A single reading; far above what the registry takes, below what a person calls stuck. */
const readingLimitMs = 5_000;
/** How long the control plane may be away before the watcher gives up; a restart takes seconds. */
const absenceLimitMs = 60_000;

/**
 * Follows a rollout to its end. On a terminal the tree of waves is rewritten in place; to a pipe each change is a line of JSON; elsewhere a line of text.
 * @returns the rollout as it ended
 * @throws CellplaneError `control-plane-unreachable` when the control plane is away for more than a minute.
 */
export async function watchRollout(context: Context, plane: ControlPlane, first: Rollout): Promise<Rollout> {
  const show = showOf(context);
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

/** That the control plane does not answer, which is no change of the rollout. */
type Absence = { readonly kind: "absence"; readonly detail: string };

function showOf({ terminal, piped, progress }: Context): Show {
  if (terminal !== null) return inPlace(terminal, progress);
  const text = (line: Change | Absence): string => (line.kind === "absence" ? line.detail : changeText(line));
  return asLines((line) => progress(`${piped ? JSON.stringify(line) : text(line)}\n`));
}

function asLines(write: (line: Change | Absence) => void): Show {
  let before: Rollout | null = null;
  let absentBefore: string | null = null;
  return (rollout, absence) => {
    if (absence !== null && absentBefore === null) write({ kind: "absence", detail: absence });
    absentBefore = absence;
    for (const change of changesBetween(before, rollout)) write(change);
    before = rollout;
  };
}

/**
 * Goes back over what it wrote last and writes it anew. Lines are cut at the terminal's width, because a wrapped one is two, and to its
 * height, because the cursor does not go back above it. At the end it clears what it wrote: the whole tree is the answer.
 */
function inPlace(terminal: Terminal, write: (text: string) => void): Show {
  let written = 0;
  return (rollout, absence) => {
    const back = written === 0 ? "" : `\u001B[${written}A`;
    const lines = endingOf(rollout) === null ? rolloutTree(rollout, Date.now()) : [];
    if (absence !== null) lines.push("", absence);
    const shown = lines.slice(0, terminal.rows() - 1).map((line) => coloured(line.slice(0, terminal.columns() - 1)));
    write(`${back}\u001B[J${shown.map((line) => `${line}\n`).join("")}`);
    written = shown.length;
  };
}
