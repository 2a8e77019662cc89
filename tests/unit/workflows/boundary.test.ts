import assert from "node:assert/strict";
import { test } from "node:test";
import { ApplicationFailure } from "@temporalio/common";
import { CellplaneError } from "../../../common/errors.ts";
import { toFailure } from "../../../workflows/activities/boundary.ts";

const error = (code: string): CellplaneError =>
  new CellplaneError(code, { status: 500, title: "", todo: "" }, "what happened", { cause: new Error("secret") });

test("what another try would meet again is not tried again, everything else is", () => {
  for (const [code, final] of [
    ["migration-failed", true],
    ["release-not-ready", true],
    ["smoke-failed", true],
    ["supervisor-unreachable", false],
    ["claim-taken", false],
  ] as const) {
    const failure = toFailure(error(code));
    assert.ok(failure instanceof ApplicationFailure);
    assert.equal(failure.nonRetryable, final, code);
    assert.equal(failure.type, code);
  }
});

test("code and detail travel, the cause does not", () => {
  const failure = toFailure(error("smoke-failed"));
  assert.ok(failure instanceof ApplicationFailure);
  assert.equal(failure.message, "what happened");
  assert.equal(failure.cause, undefined);
});

test("what is none of our errors stays as it is", () => {
  const other = new Error("a surprise");
  assert.equal(toFailure(other), other);
});
