import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type RolloutCommand, rolloutCommands, type Verdict } from "../../../common/contracts/rollout.ts";
import { advance } from "../../../control-plane/rollout/advance.ts";
import { obey, refusalOf } from "../../../control-plane/rollout/obey.ts";
import {
  isFinal,
  plannedProgress,
  type RolloutEvent,
  type RolloutProgress,
} from "../../../control-plane/rollout/progress.ts";

const hash = "a".repeat(64);
const planned = (migrationClass: string | null = "expand"): RolloutProgress =>
  plannedProgress({ hash, waves: [1, 2], migrationClass });

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

/** Steps are events, or commands by their name. */
type Step = RolloutEvent | RolloutEvent["kind"] | RolloutCommand;

function after(steps: readonly Step[], from: RolloutProgress = planned()): RolloutProgress {
  return steps.reduce<RolloutProgress>((progress, step) => {
    if (typeof step !== "string") return advance(progress, step);
    if ((rolloutCommands as readonly string[]).includes(step)) return obey(progress, command(step as RolloutCommand));
    return advance(
      progress,
      step === "wave-failed" || step === "rollback-failed"
        ? { kind: step, reason: "broke" }
        : ({ kind: step } as RolloutEvent),
    );
  }, from);
}

const command = (name: RolloutCommand, overrides: { planHash?: string; revision?: number } = {}) => ({
  command: name,
  reason: `someone said ${name}`,
  planHash: null,
  revision: null,
  ...overrides,
});

const deployed: Step[] = ["began", "wave-deployed", "wave-verified"];
const moves: RolloutEvent = { kind: "waits", for: "moves" };

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
  { name: "a wait can be halted and resumed", steps: ["began", moves, "halt", "resume"], ends: "waiting moves wave 1" },
  {
    name: "and is then still a wait",
    steps: ["began", moves, "halt", "resume", "wait-over"],
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
      assert.equal(refusalOf(progress, given)?.code, code);
      assert.throws(() => obey(progress, given), TypeError);
    });
  }

  it("nothing that carries the right plan and revision", () => {
    assert.equal(refusalOf(planned(), command("halt", { planHash: hash, revision: 1 })), null);
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
    "wave-failed",
    "wave-verified",
    judged("PASS"),
    judged("FAIL"),
    judged("INCONCLUSIVE"),
    moves,
    "wait-over",
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
