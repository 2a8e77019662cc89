import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fail } from "../../../router/errors.ts";
import { renderRefusal } from "../../../router/proxy/refusal.ts";
import { nextStep, type History, type Result, type Situation } from "../../../router/proxy/steps.ts";

const answered = (status: number, more: Partial<Extract<Result, { kind: "answered" }>> = {}): Result => ({
  kind: "answered",
  status,
  slotNamed: "a",
  notExecuted: null,
  hasWord: false,
  ...more,
});
const fresh: History = { turns: 0, refusals: 0, words: 0, retries: 0 };
const safe: Situation = { slotAsked: "a", replayable: true, safe: true };
const unsafe: Situation = { ...safe, safe: false };
const stuck: Situation = { ...unsafe, replayable: false };

describe("what to do next with a request", () => {
  const cases: readonly (readonly [string, Result, Partial<History>, Situation, string])[] = [
    ["an answer is passed on", answered(200), {}, safe, "relay"],
    ["an error of the application too", answered(500), {}, safe, "relay"],
    [
      "a 503 that may have executed something is never sent again",
      answered(503, { slotNamed: "b" }),
      {},
      safe,
      "relay",
    ],
    ["another slot is live", answered(503, { notExecuted: "slot-not-live", slotNamed: "b" }), {}, unsafe, "turn b"],
    [
      "… but the body is gone",
      answered(503, { notExecuted: "slot-not-live", slotNamed: "b" }),
      {},
      stuck,
      "fail not-replayable",
    ],
    [
      "… and again and again",
      answered(503, { notExecuted: "slot-not-live", slotNamed: "b" }),
      { turns: 3 },
      safe,
      "fail cell-unavailable",
    ],
    ["frozen", answered(503, { notExecuted: "tenant-frozen" }), {}, unsafe, "park"],
    ["frozen, and no slot named", answered(503, { notExecuted: "tenant-frozen", slotNamed: null }), {}, unsafe, "park"],
    ["frozen, but the body is gone", answered(503, { notExecuted: "tenant-frozen" }), {}, stuck, "fail tenant-frozen"],
    ["a cell in trouble says so itself", answered(503, { notExecuted: "cell-unavailable" }), {}, safe, "relay"],
    ["not the owner", answered(421, { notExecuted: "not-owned-here", hasWord: true }), {}, unsafe, "read-word"],
    ["not the owner, without a word", answered(421), {}, safe, "fail owner-unknown"],
    ["not the owner, for ever", answered(421, { hasWord: true }), { words: 3 }, safe, "fail owner-unknown"],
    ["refused once", { kind: "refused" }, {}, stuck, "turn b"],
    ["refused by both", { kind: "refused" }, { refusals: 1 }, safe, "fail cell-unavailable"],
    ["a black hole", { kind: "connect-timeout" }, {}, safe, "fail cell-unavailable"],
    ["silence", { kind: "silent" }, {}, safe, "fail cell-timeout"],
    ["broken, safe", { kind: "broken" }, {}, safe, "retry"],
    ["broken twice", { kind: "broken" }, { retries: 1 }, safe, "fail answer-lost"],
    ["broken, unsafe", { kind: "broken" }, {}, unsafe, "fail answer-lost"],
  ];
  for (const [name, result, history, situation, expected] of cases) {
    it(`${name}: ${expected}`, () => {
      const step = nextStep(result, { ...fresh, ...history }, situation);
      assert.equal(
        [step.kind, ...("slot" in step ? [step.slot] : "code" in step ? [step.code] : [])].join(" "),
        expected,
      );
    });
  }
});

describe("a refusal", () => {
  const fieldOf = (fields: readonly string[], name: string) => fields[fields.indexOf(name) + 1];

  it("is a problem document for programs and a page for browsers, and shows no markup of others", () => {
    const error = fail("tenant-suspended", "<script>alert(1)</script>");
    const problem = renderRefusal(error, "id-1", "*/*");
    assert.equal(fieldOf(problem.fields, "content-type"), "application/problem+json");
    assert.equal((JSON.parse(problem.body) as { requestId: string }).requestId, "id-1");
    const page = renderRefusal(error, "id-1", "text/html,application/xhtml+xml");
    assert.ok(!page.body.includes("<script>") && page.body.includes("id-1"));
    assert.equal(renderRefusal(error, "id-1", "application/json, text/html").body, problem.body);
  });

  it("of status 503 or 429 says when to come again; of 401, how", () => {
    assert.equal(fieldOf(renderRefusal(fail("cell-busy", "x"), "i", undefined).fields, "retry-after"), "1");
    assert.equal(
      fieldOf(
        renderRefusal(fail("table-stale", "x", { extra: { retryAfterSeconds: 4.2 } }), "i", undefined).fields,
        "retry-after",
      ),
      "5",
    );
    assert.equal(fieldOf(renderRefusal(fail("invalid-key", "x"), "i", undefined).fields, "www-authenticate"), "Bearer");
  });
});
