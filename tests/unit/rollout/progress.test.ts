import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { MigrationClass } from "../../../common/contracts/release.ts";
import {
  type PlannedWave,
  type RolloutCommand,
  rolloutCommands,
  type Verdict,
} from "../../../common/contracts/rollout.ts";
import { advance } from "../../../control-plane/rollout/advance.ts";
import { obey, refusalOf } from "../../../control-plane/rollout/obey.ts";
import {
  isFinal,
  plannedProgress,
  type RolloutEvent,
  type RolloutProgress,
} from "../../../control-plane/rollout/progress.ts";
import { policyWith } from "../../../control-plane/rollout/policy.ts";
import { planRollout } from "../../../control-plane/rollout/plan.ts";
import { request } from "./fixtures.ts";

const hash = "a".repeat(64);
const approvals = { required: 2, of: [], waves: [1, 2], expiresSeconds: 60 };
const wave = (number: number): PlannedWave => ({ number, cells: [], bakeSeconds: 1, tenantsAtRisk: {} });
const planned = (migrationClass: MigrationClass | null = "expand"): RolloutProgress =>
  plannedProgress({
    plan: {
      ...planRollout(request({ policy: policyWith({ approvals }) })),
      hash,
      waves: [wave(1), wave(2)],
      migrationClass,
    },
    requestedBy: "zoe",
  });

const judged = (verdict: Verdict["verdict"]): RolloutEvent => ({
  kind: "judged",
  verdict: {
    verdict,
    gate: "absolute",
    traffic: "real",
    reason: `it was ${verdict}`,
    formula: "",
    thresholds: {},
    numbers: {},
    sources: [],
    missing: [],
  },
});

/** What somebody said who is not the usual one. */
interface Said {
  readonly said: RolloutCommand;
  readonly actor: string;
}

/** Steps are events, or commands by their name. */
type Step = RolloutEvent | RolloutEvent["kind"] | RolloutCommand | Said;

function after(steps: readonly Step[], from: RolloutProgress = planned()): RolloutProgress {
  return steps.reduce<RolloutProgress>((progress, step) => {
    if (typeof step !== "string" && "said" in step)
      return obey(progress, command(step.said, { actor: step.actor, planHash: hash }), 0);
    if (typeof step !== "string") return advance(progress, step);
    if ((rolloutCommands as readonly string[]).includes(step))
      return obey(progress, command(step as RolloutCommand), 0);
    return advance(
      progress,
      step === "wave-failed" || step === "rollback-failed" || step === "earlier-failed" || step === "rejected"
        ? { kind: step, reason: "broke" }
        : ({ kind: step } as RolloutEvent),
    );
  }, from);
}

const command = (name: RolloutCommand, overrides: { planHash?: string; revision?: number; actor?: string } = {}) => ({
  command: name,
  actor: "anna",
  reason: `someone said ${name}`,
  planHash: null,
  revision: null,
  ...overrides,
});

const deployed: Step[] = ["began", "wave-deployed", "wave-verified"];
const moves: RolloutEvent = { kind: "waits", for: "moves", until: null, reason: "a move" };

const asks: RolloutEvent = { kind: "asks", approvals: { wave: 1, expiresAt: 60_000, approvedBy: [] } };
const said = (name: "approve" | "reject", actor: string): Said => ({ said: name, actor });
const secondWave: Step[] = [...deployed, judged("PASS"), "wave-deployed", "wave-verified"];
const badSecond: Step[] = [...secondWave, judged("FAIL")];
const waveBack: RolloutEvent = { kind: "wave-rolled-back", until: 9 };

const courses: readonly { name: string; steps: readonly Step[]; ends: string; irreversible?: true }[] = [
  {
    name: "a good rollout completes",
    steps: [...deployed, judged("PASS"), "wave-deployed", "wave-verified", judged("PASS")],
    ends: "completed wave 2",
  },
  { name: "a passed wave begins the next", steps: [...deployed, judged("PASS")], ends: "deploying wave 2" },
  { name: "a failed bake rolls back", steps: [...deployed, judged("FAIL")], ends: "rolling-back wave 1" },
  {
    name: "a failed verification rolls back",
    steps: ["began", "wave-deployed", judged("FAIL")],
    ends: "rolling-back wave 1",
  },
  { name: "a failed deployment rolls back", steps: ["began", "wave-failed"], ends: "rolling-back wave 1" },
  {
    name: "an irreversible release freezes instead",
    steps: [...deployed, judged("FAIL")],
    ends: "halted wave 1",
    irreversible: true,
  },
  { name: "a roll-back ends", steps: ["began", "wave-failed", "rolled-back"], ends: "rolled-back wave 1" },
  { name: "a roll-back can fail", steps: ["began", "wave-failed", "rollback-failed"], ends: "rollback-failed wave 1" },
  {
    name: "an open verdict waits for a decision",
    steps: [...deployed, judged("INCONCLUSIVE")],
    ends: "waiting decision wave 1",
  },
  { name: "resuming it bakes again", steps: [...deployed, judged("INCONCLUSIVE"), "resume"], ends: "baking wave 1" },
  {
    name: "judging goes on while it waits",
    steps: [...deployed, judged("INCONCLUSIVE"), judged("FAIL")],
    ends: "rolling-back wave 1",
  },
  { name: "a rollout waits for moves", steps: ["began", moves], ends: "waiting moves wave 1" },
  { name: "and goes on after them", steps: ["began", moves, "wait-over"], ends: "deploying wave 1" },
  {
    name: "a wait can be halted; resumed, it is looked for anew",
    steps: ["began", moves, "halt", "resume"],
    ends: "deploying wave 1",
  },
  { name: "a pause leaves the state", steps: [...deployed, "pause"], ends: "baking paused wave 1" },
  { name: "judging goes on while paused", steps: [...deployed, "pause", judged("FAIL")], ends: "rolling-back wave 1" },
  {
    name: "a pass while paused begins nothing: the flag stays",
    steps: [...deployed, "pause", judged("PASS")],
    ends: "deploying paused wave 2",
  },
  { name: "a resume ends the pause", steps: [...deployed, "pause", "resume"], ends: "baking wave 1" },
  { name: "a halt in mid-bake is at once", steps: [...deployed, "halt"], ends: "halted wave 1" },
  { name: "a resume goes on after a halt", steps: [...deployed, "halt", "resume"], ends: "baking wave 1" },
  { name: "a halt in mid-change waits for the cells", steps: ["began", "halt"], ends: "deploying (halted) wave 1" },
  { name: "and then holds", steps: ["began", "halt", "wave-deployed"], ends: "halted wave 1" },
  { name: "and resumes as verifying", steps: ["began", "halt", "wave-deployed", "resume"], ends: "verifying wave 1" },
  {
    name: "a halt that has not taken effect can be taken back",
    steps: ["began", "halt", "resume", "wave-deployed"],
    ends: "verifying wave 1",
  },
  {
    name: "a cell that fails after a halt was asked for is rolled back",
    steps: ["began", "halt", "wave-failed"],
    ends: "rolling-back wave 1",
  },
  {
    name: "a roll-back in mid-change waits for the cells",
    steps: ["began", "roll-back", "wave-deployed"],
    ends: "rolling-back wave 1",
  },
  { name: "a halt can become a roll-back", steps: [...deployed, "halt", "roll-back"], ends: "rolling-back wave 1" },
  { name: "a planned rollout can be cancelled", steps: ["cancel"], ends: "cancelled" },
  {
    name: "a cancellation in mid-change waits for the cells",
    steps: ["began", "cancel", "wave-deployed"],
    ends: "cancelled wave 1",
  },
  { name: "a wave that needs approval waits", steps: ["began", asks], ends: "waiting approval wave 1" },
  {
    name: "one approval of two is not enough",
    steps: ["began", asks, said("approve", "anna")],
    ends: "waiting approval wave 1",
  },
  {
    name: "two begin the wave",
    steps: ["began", asks, said("approve", "anna"), said("approve", "ben")],
    ends: "deploying wave 1",
  },
  {
    name: "a rejection before the first wave cancels",
    steps: ["began", asks, said("reject", "anna")],
    ends: "cancelled wave 1",
  },
  { name: "so does nobody's approval in time", steps: ["began", asks, "rejected"], ends: "cancelled wave 1" },
  {
    name: "a rejection of a later wave leaves everything in place",
    steps: [...deployed, judged("PASS"), asks, said("reject", "anna")],
    ends: "halted wave 2",
  },
  {
    name: "and can be asked anew",
    steps: [...deployed, judged("PASS"), asks, said("reject", "anna"), "resume"],
    ends: "deploying wave 2",
  },
  {
    name: "a canary that turns bad while approval is waited for is rolled back",
    steps: [...deployed, judged("PASS"), asks, judged("FAIL")],
    ends: "rolling-back wave 2",
  },
  { name: "a bad second wave goes back alone", steps: [...badSecond, waveBack], ends: "waiting decision wave 2" },
  {
    name: "and nobody's decision undoes all",
    steps: [...badSecond, waveBack, "decision-expired"],
    ends: "rolling-back wave 2",
  },
  { name: "so does a person", steps: [...badSecond, waveBack, "roll-back", "rolled-back"], ends: "rolled-back wave 2" },
  {
    name: "or they cancel, and the first wave keeps it",
    steps: [...badSecond, waveBack, "cancel"],
    ends: "cancelled wave 2",
  },
  {
    name: "if the first wave is bad too, all goes back at once",
    steps: [...badSecond, "earlier-failed", "rolled-back"],
    ends: "rolled-back wave 2",
  },
  {
    name: "or turns bad while a decision is waited for",
    steps: [...badSecond, waveBack, judged("FAIL")],
    ends: "rolling-back wave 2",
  },
  { name: "a wave whose cells are all gone is passed over", steps: ["began", "wave-empty"], ends: "deploying wave 2" },
  { name: "the last one ends it", steps: ["began", "wave-empty", "wave-empty"], ends: "completed wave 2" },
  {
    name: "cells that came get a wave of their own",
    steps: [...secondWave, "joined", judged("PASS")],
    ends: "deploying wave 3",
  },
  { name: "a pause does not keep a cancellation", steps: [...deployed, "pause", "cancel"], ends: "cancelled wave 1" },
];

function told({ state, waitingFor, paused, ending, wave }: RolloutProgress): string {
  return [
    state,
    waitingFor,
    paused ? "paused" : null,
    ending === null ? null : `(${ending})`,
    wave === null ? null : `wave ${wave}`,
  ]
    .filter((word) => word !== null)
    .join(" ");
}

describe("the course of a rollout", () => {
  for (const { name, steps, ends, irreversible } of courses) {
    it(name, () => assert.equal(told(after(steps, planned(irreversible ? "irreversible" : "expand"))), ends));
  }

  it("keeps the reason: the verdict's, or the person's", () => {
    assert.equal(after([...deployed, judged("FAIL")]).reason, "it was FAIL");
    assert.equal(after([...deployed, "halt"]).reason, "someone said halt");
    assert.equal(after([...deployed, "halt", "resume"]).reason, null);
  });
});

const refusals: readonly {
  name: string;
  steps: readonly Step[];
  given: ReturnType<typeof command>;
  code: string;
  irreversible?: true;
}[] = [
  { name: "anything, after the end", steps: ["cancel"], given: command("roll-back"), code: "rollout-ended" },
  {
    name: "anything, in mid-roll-back",
    steps: ["began", "wave-failed"],
    given: command("halt"),
    code: "not-in-this-state",
  },
  {
    name: "a command for another plan",
    steps: [],
    given: command("halt", { planHash: "b".repeat(64) }),
    code: "plan-differs",
  },
  {
    name: "a command that comes late",
    steps: ["began"],
    given: command("halt", { revision: 1 }),
    code: "revision-differs",
  },
  { name: "a second pause", steps: ["pause"], given: command("pause"), code: "not-in-this-state" },
  { name: "a second halt", steps: ["halt"], given: command("halt"), code: "not-in-this-state" },
  { name: "a second halt in mid-change", steps: ["began", "halt"], given: command("halt"), code: "not-in-this-state" },
  { name: "a resume of what runs", steps: ["began"], given: command("resume"), code: "not-in-this-state" },
  {
    name: "a resume of a wait for moves",
    steps: ["began", moves],
    given: command("resume"),
    code: "not-in-this-state",
  },
  {
    name: "rolling back an irreversible release",
    steps: deployed,
    given: command("roll-back"),
    code: "not-reversible",
    irreversible: true,
  },
  { name: "an approval that nobody asked for", steps: ["began"], given: command("approve"), code: "not-in-this-state" },
  {
    name: "the requester's approval",
    steps: ["began", asks],
    given: command("approve", { planHash: hash, actor: "zoe" }),
    code: "not-yours-to-approve",
  },
  {
    name: "going on with a release of which a wave went back",
    steps: [...badSecond, waveBack],
    given: command("resume"),
    code: "not-in-this-state",
  },
  {
    name: "resuming over a failed gate",
    steps: [...deployed, judged("FAIL")],
    given: command("resume"),
    code: "not-in-this-state",
    irreversible: true,
  },
];

describe("a rollout refuses", () => {
  for (const { name, steps, given, code, irreversible } of refusals) {
    it(name, () => {
      const progress = after(steps, planned(irreversible ? "irreversible" : null));
      assert.equal(refusalOf(progress, given, 0)?.code, code);
      assert.throws(() => obey(progress, given, 0), TypeError);
    });
  }

  it("nothing that carries the right plan and revision", () => {
    assert.equal(refusalOf(planned(), command("halt", { planHash: hash, revision: 1 }), 0), null);
  });

  it("events that cannot happen", () => {
    for (const steps of [
      ["wave-deployed"],
      [judged("PASS")],
      ["began", "began"],
      ["rolled-back"],
      ["wait-over"],
    ] satisfies Step[][]) {
      assert.throws(() => after(steps), TypeError);
    }
  });
});

describe("whatever happens to a rollout", () => {
  const anyStep = fc.constantFrom<Step>(
    ...rolloutCommands,
    "began",
    "wave-deployed",
    "wave-empty",
    "wave-failed",
    "wave-verified",
    judged("PASS"),
    judged("FAIL"),
    judged("INCONCLUSIVE"),
    moves,
    asks,
    said("approve", "anna"),
    said("approve", "ben"),
    said("reject", "ben"),
    waveBack,
    "wait-over",
    "rejected",
    "joined",
    "earlier-failed",
    "decision-expired",
    "rolled-back",
    "rollback-failed",
  );

  it("each change raises the revision by one, a final state stays, and waves never go back", () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 40 }), fc.boolean(), (steps, reversible) => {
        let progress = planned(reversible ? null : "contract");
        for (const step of steps) {
          let next: RolloutProgress;
          try {
            next = after([step], progress);
          } catch (error) {
            assert.ok(error instanceof TypeError);
            continue;
          }
          assert.equal(isFinal(progress.state), false);
          assert.equal(next.revision, progress.revision + 1);
          assert.ok((next.wave ?? 0) >= (progress.wave ?? 0));
          assert.equal(next.waitingFor !== null, next.state === "waiting");
          assert.ok(reversible || next.state !== "rolling-back");
          progress = next;
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
