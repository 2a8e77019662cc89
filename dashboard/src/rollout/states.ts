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

/** Commands that make sense now. The workflow decides; this only spares a person a button that would be refused. */
export function commandsFor(rollout: Rollout): RolloutCommand[] {
  const { state, paused } = rollout;
  if (isFinal(state) || state === "rolling-back") return [];
  if (state === "halted") return ["resume", "roll-back", "cancel"];
  if (state === "waiting" && rollout.waitingFor === "approval") return ["approve", "reject", "halt", "cancel"];
  const waiting = state === "waiting" && rollout.waitingFor === "decision";
  const baking = state === "baking" ? (["end-bake"] as const) : [];
  return [paused || waiting ? "resume" : "pause", ...baking, "halt", "roll-back", "cancel"];
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
