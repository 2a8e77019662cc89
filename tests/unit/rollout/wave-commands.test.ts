import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { MigrationClass } from "../../../common/contracts/release.ts";
import {
  rolloutCommands,
  type CellStep,
  type CommandInput,
  type PlannedWave,
  type Verdict,
} from "../../../common/contracts/rollout.ts";
import { cellId } from "../../../common/ids.ts";
import { advance } from "../../../control-plane/rollout/advance.ts";
import { holdBack } from "../../../control-plane/rollout/hold.ts";
import { obey, refusalOf } from "../../../control-plane/rollout/obey.ts";
import { planRollout } from "../../../control-plane/rollout/plan.ts";
import { policyWith } from "../../../control-plane/rollout/policy.ts";
import { plannedProgress, type RolloutEvent, type RolloutProgress } from "../../../control-plane/rollout/progress.ts";
import { waveCommands, type CellStanding } from "../../../control-plane/rollout/wave-commands.ts";
import { request } from "./fixtures.ts";

const planHash = "a".repeat(64);
const wave = (number: number): PlannedWave => ({ number, cells: [], bakeSeconds: 1, tenantsAtRisk: {} });
const planned = (migrationClass: MigrationClass | null = "expand"): RolloutProgress =>
  plannedProgress({
    plan: {
      ...planRollout(request({ policy: policyWith({}) })),
      hash: planHash,
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
const window: RolloutEvent = { kind: "waits", for: "window", until: 9, reason: "a freeze" };
const moves: RolloutEvent = { kind: "waits", for: "moves", until: null, reason: "a move" };
const baking: readonly RolloutEvent[] = [{ kind: "began" }, { kind: "wave-deployed" }, { kind: "wave-verified" }];
const broke: RolloutEvent = { kind: "wave-failed", reason: "broke" };

const after = (events: readonly RolloutEvent[], from = planned()): RolloutProgress =>
  events.reduce((progress, event) => advance(progress, event), from);

/** A command as it is given by who has just looked. */
function given(
  progress: RolloutProgress,
  command: CommandInput["command"],
  more: Partial<CommandInput> = {},
): CommandInput {
  const { wave: at, revision } = progress;
  return { command, actor: "anna", reason: "because", planHash, revision, wave: at, ...more };
}

const standing = (step: CellStep, more: Partial<CellStanding> = {}): CellStanding => ({
  cell: cellId("cell-1"),
  wave: 1,
  step,
  isBusy: false,
  isGone: false,
  ...more,
});
const one = { cell: cellId("cell-1") };
const told = ({ state, waitingFor, wave: at }: RolloutProgress): string => [state, waitingFor ?? "", at].join(" ");

describe("a command about the wave at hand", () => {
  it("names plan, wave and revision, or is refused", () => {
    const progress = after(baking);
    for (const command of waveCommands) {
      for (const missing of ["planHash", "revision"] as const) {
        const refusal = refusalOf(progress, given(progress, command, { ...one, [missing]: null }), 0);
        assert.equal(refusal?.code, "command-incomplete", `${command} without ${missing}`);
      }
      const { wave: _wave, ...unbound } = given(progress, command, one);
      assert.equal(refusalOf(progress, unbound, 0)?.code, "command-incomplete");
    }
  });

  it("that comes late does not hit the next wave, nor the same one baking again", () => {
    const first = after(baking);
    const late = given(first, "end-bake");
    const second = after([judged("PASS"), { kind: "wave-deployed" }, { kind: "wave-verified" }], first);
    assert.equal(refusalOf(first, late, 0), null);
    assert.equal(refusalOf(second, late, 0)?.code, "wave-differs");
    assert.equal(refusalOf(second, { ...late, wave: 2 }, 0)?.code, "revision-differs");
    const again = obey(after([judged("INCONCLUSIVE")], first), { ...late, command: "resume", revision: null }, 0);
    assert.equal(refusalOf(again, late, 0)?.code, "revision-differs", "it bakes again, and was looked at before");
    assert.equal(refusalOf(again, { ...late, revision: again.revision + 1 }, 0)?.code, "revision-differs");
  });

  it("still counts when only details have changed since", () => {
    const seen = after(baking);
    const touched = { ...seen, revision: seen.revision + 3 };
    assert.equal(refusalOf(touched, given(seen, "end-bake"), 0), null);
  });
});

describe("a bake", () => {
  it("is made longer, bounded, and only while there is one", () => {
    const progress = after(baking);
    const longer = obey(progress, given(progress, "extend-bake", { seconds: 600 }), 0);
    assert.equal(longer.bakeExtraSeconds, 600);
    assert.equal(refusalOf(longer, given(progress, "extend-bake", { seconds: 600 }), 0)?.code, "revision-differs");
    const twice = obey(longer, given(longer, "extend-bake", { seconds: 60 }), 0);
    assert.equal(twice.bakeExtraSeconds, 660);
    assert.match(refusalOf(twice, given(twice, "extend-bake", { seconds: 604_800 }), 0)?.detail ?? "", /the most/);
    assert.equal(refusalOf(progress, given(progress, "extend-bake"), 0)?.code, "command-incomplete");
    const waits = after([judged("INCONCLUSIVE")], progress);
    assert.equal(refusalOf(waits, given(waits, "extend-bake", { seconds: 1 }), 0)?.code, "not-in-this-state");
    assert.equal(after([judged("PASS")], twice).bakeExtraSeconds, 0, "the next wave has its own length");
  });

  it("is ended once", () => {
    const progress = after(baking);
    const ended = obey(progress, given(progress, "end-bake"), 0);
    assert.deepEqual([ended.state, ended.bakeEnded], ["baking", true], "it is judged first");
    for (const command of ["end-bake", "extend-bake"] as const)
      assert.match(refusalOf(ended, given(ended, command, { seconds: 1 }), 0)?.detail ?? "", /about to end/);
    assert.equal(after([judged("INCONCLUSIVE")], ended).bakeEnded, false);
  });
});

describe("a cell", () => {
  const refused = (progress: RolloutProgress, command: "skip-cell" | "retry-cell", cell: CellStanding) =>
    refusalOf(progress, given(progress, command, one), 0, [cell])?.code;

  it("is skipped only before it is begun", () => {
    const progress = after(baking);
    assert.equal(refused(progress, "skip-cell", standing("pending", { wave: 2 })), undefined);
    assert.equal(refused(progress, "skip-cell", standing("pending", { isBusy: true })), "not-that-cell");
    assert.equal(refused(progress, "skip-cell", standing("deployed")), "not-that-cell");
    assert.equal(refused(progress, "skip-cell", standing("pending", { cell: cellId("cell-2") })), "not-that-cell");
    assert.equal(refusalOf(progress, given(progress, "skip-cell"), 0)?.code, "command-incomplete");
  });

  it("is tried again in its own wave, which is deployed and bakes once more", () => {
    const progress = after(baking);
    assert.equal(refused(progress, "retry-cell", standing("skipped")), undefined);
    assert.equal(told(obey(progress, given(progress, "retry-cell", one), 0, [standing("skipped")])), "deploying  1");
    assert.equal(refused(progress, "retry-cell", standing("deployed")), "not-that-cell");
    assert.equal(refused(progress, "retry-cell", standing("skipped", { wave: 2 })), "not-that-cell");
    assert.equal(refused(progress, "retry-cell", standing("skipped", { isGone: true })), "not-that-cell");
  });

  it("that froze an irreversible rollout is tried again; one that a failed gate froze is not", () => {
    const frozen = after([{ kind: "began" }, broke], planned("irreversible"));
    assert.equal(told(frozen), "halted  1");
    const again = obey(frozen, given(frozen, "retry-cell", one), 0, [standing("rolled-back")]);
    assert.deepEqual([told(again), again.failed], ["deploying  1", false]);
    const failed = after([...baking, judged("FAIL")], planned("irreversible"));
    assert.equal(refused(failed, "retry-cell", standing("skipped")), "not-in-this-state");
  });
});

describe("a verdict is overridden", () => {
  const says = (progress: RolloutProgress, verdict: "PASS" | "FAIL", cells = [standing("deployed")]) => ({
    refusal: refusalOf(progress, given(progress, "override", { verdict }), 0, cells)?.code ?? null,
    give: () => obey(progress, given(progress, "override", { verdict }), 0, cells),
  });

  it("by PASS where a decision is waited for, and by FAIL there and while cells are watched", () => {
    const waits = after([...baking, judged("INCONCLUSIVE")]);
    assert.equal(told(says(waits, "PASS").give()), "deploying  2");
    assert.equal(told(says(waits, "FAIL").give()), "rolling-back  1");
    const failed = says(after(baking), "FAIL").give();
    assert.deepEqual([told(failed), failed.failed], ["rolling-back  1", true]);
    assert.match(failed.untold?.reason ?? "", /anna overrode the judge: because/);
    assert.equal(says(after(baking), "PASS").refusal, "not-in-this-state", "nothing stands in its way");
    assert.equal(says(after(baking), "FAIL", [standing("pending")]).refusal, "not-in-this-state");
  });

  it("for an irreversible release that a gate has frozen, which lifts the quarantine", () => {
    const frozen = after([...baking, judged("FAIL")], planned("irreversible"));
    const on = says(frozen, "PASS").give();
    assert.deepEqual([told(on), on.failed, on.untold?.verdict], ["deploying  2", false, "PASS"]);
    assert.equal(says(frozen, "PASS", [standing("failed")]).refusal, "not-in-this-state");
    const halted = obey(after(baking), given(after(baking), "halt"), 0);
    assert.equal(says(halted, "PASS").refusal, "not-in-this-state", "nothing failed");
  });

  it("never in place of those who approve, nor of a cell's holder, and always with a reason", () => {
    const asks: RolloutEvent = { kind: "asks", approvals: { wave: 1, expiresAt: 9, approvedBy: [] } };
    assert.equal(says(after([{ kind: "began" }, asks]), "PASS").refusal, "not-in-this-state");
    assert.equal(says(after([{ kind: "began" }, moves]), "PASS").refusal, "not-in-this-state");
    const waits = after([...baking, judged("INCONCLUSIVE")]);
    for (const reason of [null, " "])
      assert.equal(
        refusalOf(waits, given(waits, "override", { verdict: "PASS", reason }), 0)?.code,
        "command-incomplete",
      );
    assert.equal(refusalOf(waits, given(waits, "override"), 0)?.code, "command-incomplete");
  });

  it("where a window is waited for, begins the wave in spite of windows and blast radius, but not of approvals", () => {
    const forced = says(after([{ kind: "began" }, window]), "PASS").give();
    assert.equal(told(forced), "deploying  1");
    const freezes = [{ name: "f", since: "2026-01-01T00:00:00.000Z", until: "2027-01-01T00:00:00.000Z" }];
    const plan = { policy: policyWith({ freezes }), waves: [] };
    const now = Date.parse("2026-06-01T00:00:00.000Z");
    const cells = [{ ...one, from: null, to: request().release, tenants: 1 }];
    assert.equal(holdBack(plan, planned(), cells, true, [], now)?.kind, "waits");
    assert.equal(holdBack(plan, forced, cells, true, [], now), null);
    const approvals = { required: 1, of: [], waves: [1], expiresSeconds: 60 };
    assert.equal(
      holdBack({ ...plan, policy: { ...plan.policy, approvals } }, forced, cells, true, [], now)?.kind,
      "asks",
    );
  });
});

describe("the line", () => {
  const line = (progress: RolloutProgress, command: "stop-the-line" | "release-the-line"): CommandInput =>
    given(progress, command, { planHash: null, revision: null });

  it("is stopped and released once, in every state that goes on, beside a pause", () => {
    for (const progress of [planned(), after(baking), after([{ kind: "began" }, broke])]) {
      assert.equal(refusalOf(progress, line(progress, "release-the-line"), 0)?.code, "not-in-this-state");
      const stopped = obey(progress, line(progress, "stop-the-line"), 0);
      assert.deepEqual([stopped.stopped, stopped.paused, stopped.state], [true, false, progress.state]);
      assert.equal(refusalOf(stopped, line(stopped, "stop-the-line"), 0)?.code, "not-in-this-state");
      assert.equal(obey(stopped, line(stopped, "release-the-line"), 0).stopped, false);
    }
  });
});

it("whatever is commanded, a revision rises by one, a wave never goes back, and what was refused changes nothing", () => {
  const anyEvent = fc.constantFrom<RolloutEvent>(
    ...baking,
    broke,
    window,
    moves,
    judged("PASS"),
    judged("FAIL"),
    judged("INCONCLUSIVE"),
    { kind: "wait-over" },
    { kind: "rolled-back" },
  );
  const anyCommand = fc.record({
    command: fc.constantFrom(...rolloutCommands, "stop-the-line" as const, "release-the-line" as const),
    step: fc.constantFrom<CellStep>("pending", "deployed", "skipped", "failed", "rolled-back"),
    verdict: fc.constantFrom("PASS" as const, "FAIL" as const),
    seconds: fc.integer({ min: 1, max: 604_800 }),
  });
  fc.assert(
    fc.property(fc.array(fc.oneof(anyEvent, anyCommand), { maxLength: 40 }), fc.boolean(), (steps, reversible) => {
      let progress = planned(reversible ? null : "contract");
      for (const step of steps) {
        let next: RolloutProgress;
        if ("command" in step) {
          const { step: at, ...said } = step;
          const cells = [standing(at)];
          const input = given(progress, said.command, { ...said, ...one });
          const refusal = refusalOf(progress, input, 0, cells);
          if (refusal !== null) {
            assert.throws(() => obey(progress, input, 0, cells), TypeError);
            assert.notEqual(refusal.detail, "");
            continue;
          }
          next = obey(progress, input, 0, cells);
          assert.equal(next.since, next.revision, "whoever looked before it is late");
        } else {
          try {
            next = advance(progress, step);
          } catch (error) {
            assert.ok(error instanceof TypeError);
            continue;
          }
        }
        assert.equal(next.revision, progress.revision + 1);
        assert.ok((next.wave ?? 0) >= (progress.wave ?? 0));
        assert.ok(next.since <= next.revision && next.since >= progress.since);
        assert.equal(next.waitingFor !== null, next.state === "waiting");
        assert.ok(reversible || next.state !== "rolling-back");
        progress = next;
      }
    }),
    { numRuns: 1_000 },
  );
});
