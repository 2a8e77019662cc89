import type { CellStep, Rollout, RolloutCommand, RolloutState } from "../../../common/contracts/rollout.ts";
import type { Tone } from "../pieces/tone.ts";

export const stateTones: Readonly<Record<RolloutState, Tone>> = {
  planned: "calm",
  deploying: "busy",
  verifying: "busy",
  baking: "busy",
  waiting: "warn",
  halted: "warn",
  "rolling-back": "bad",
  "rolled-back": "bad",
  "rollback-failed": "bad",
  completed: "good",
  cancelled: "calm",
};

export const waveTones: Readonly<Record<Rollout["waves"][number]["state"], Tone>> = {
  pending: "calm",
  deploying: "busy",
  baking: "busy",
  passed: "good",
  failed: "bad",
  "rolled-back": "bad",
  skipped: "calm",
};

/** The way forward of a cell, in order; where it stands fills the track. */
export const forwardSteps = [
  "checking",
  "migrating",
  "starting",
  "smoke",
  "switching",
  "draining",
  "deployed",
] as const satisfies readonly CellStep[];

export const stepTone = (step: CellStep): Tone => {
  if (step === "deployed") return "good";
  if (step === "failed" || step === "indeterminate" || step === "rolling-back" || step === "rolled-back") return "bad";
  return step === "pending" || step === "skipped" ? "calm" : "busy";
};

/** How many steps of the way forward are behind a cell; null where it is not on that way. */
export function stepsDone(step: CellStep): number | null {
  if (step === "pending" || step === "skipped") return 0;
  const position = forwardSteps.findIndex((one) => one === step);
  return position < 0 ? null : position + 1;
}

export function isFinal(state: RolloutState): boolean {
  return state === "completed" || state === "rolled-back" || state === "rollback-failed" || state === "cancelled";
}

/** Commands about the whole rollout that make sense now. The workflow decides; this only spares a person a button that would be refused. */
export function commandsFor(rollout: Rollout): RolloutCommand[] {
  const { state, waitingFor, paused } = rollout;
  if (isFinal(state) || state === "rolling-back") return [];
  if (state === "halted")
    return ["resume", ...(hasFailed(rollout) ? (["override"] as const) : []), "roll-back", "cancel"];
  if (waitingFor === "approval") return ["approve", "reject", "halt", "cancel"];
  if (waitingFor === "decision") return ["resume", "override", "halt", "roll-back", "cancel"];
  const pause = paused ? ("resume" as const) : ("pause" as const);
  if (waitingFor === "window") return [pause, "override", "halt", "roll-back", "cancel"];
  if (state === "baking") return [pause, "extend-bake", "end-bake", "override", "halt", "roll-back", "cancel"];
  return [pause, "halt", "roll-back", "cancel"];
}

/** What can be commanded of one cell now; null for nothing. */
export function cellCommandFor(rollout: Rollout, cell: Rollout["cells"][number]): "skip-cell" | "retry-cell" | null {
  if (isFinal(rollout.state) || rollout.state === "rolling-back") return null;
  if (cell.step === "pending") return "skip-cell";
  if (cell.wave !== rollout.wave) return null;
  return (["skipped", "failed", "rolled-back", "indeterminate"] as const).some((step) => step === cell.step)
    ? "retry-cell"
    : null;
}

/** Commands that could do harm to another wave than they were meant for: they say which one was looked at, and when. */
const waveCommands: readonly RolloutCommand[] = ["extend-bake", "end-bake", "skip-cell", "retry-cell", "override"];

/** What a command carries so that it never hits another plan or wave than the one that was looked at. */
export function bindingOf(
  rollout: Rollout,
  command: RolloutCommand,
): { readonly planHash: string; readonly wave?: number | null; readonly revision?: number } {
  const planHash = rollout.plan.hash;
  return waveCommands.includes(command) ? { planHash, wave: rollout.wave, revision: rollout.revision } : { planHash };
}

function hasFailed({ waves }: Rollout): boolean {
  return waves.some(({ state }) => state === "failed");
}

export const commandWords: Readonly<
  Record<RolloutCommand, { readonly label: string; readonly explanation: string; readonly dangerous: boolean }>
> = {
  pause: {
    label: "Pause",
    explanation: "Nothing new is begun. What runs is finished, and judging goes on.",
    dangerous: false,
  },
  resume: {
    label: "Resume",
    explanation:
      "The rollout goes on where it stands. Where it waits for a decision it bakes again; no gate is skipped.",
    dangerous: false,
  },
  halt: {
    label: "Halt",
    explanation: "Everything is frozen in place: changed cells keep the new release, the others the old one.",
    dangerous: true,
  },
  "roll-back": {
    label: "Roll back",
    explanation: "Every changed cell returns to its last verified release. Nothing stops a roll-back half-way.",
    dangerous: true,
  },
  cancel: {
    label: "Cancel",
    explanation: "The rollout ends. Cells that were changed keep the new release.",
    dangerous: true,
  },
  approve: {
    label: "Approve",
    explanation: "You agree to this plan's next wave. Whoever asked for the rollout cannot.",
    dangerous: false,
  },
  reject: {
    label: "Reject",
    explanation: "The wave is not begun. A rollout that has touched nothing is cancelled, another one halted.",
    dangerous: true,
  },
  "extend-bake": { label: "Bake longer", explanation: "The wave at hand is watched for longer.", dangerous: false },
  "end-bake": {
    label: "End the bake",
    explanation: "The wave at hand is judged now, by what was seen. No gate is skipped.",
    dangerous: true,
  },
  "skip-cell": { label: "Skip a cell", explanation: "A cell that was not begun stays as it is.", dangerous: false },
  "retry-cell": {
    label: "Retry a cell",
    explanation: "A cell of the wave at hand is changed once more, and the wave bakes again.",
    dangerous: false,
  },
  override: { label: "Override", explanation: "Your verdict stands in place of the judge's.", dangerous: true },
};
