import assert from "node:assert/strict";
import test from "node:test";
import Value from "typebox/value";
import { Problem } from "../../../common/contracts/problem.ts";
import { CellplaneError, errorsOf, type ErrorTable, toProblem } from "../../../common/errors.ts";
import { httpErrors } from "../../../common/http/errors.ts";

const table = {
  "tea-cold": { status: 503, title: "The tea is cold", todo: "Wait for the kettle." },
} as const satisfies ErrorTable;
const fail = errorsOf(table);

test("an error is what its table says, with its own detail and its cause attached, not pasted in", () => {
  const cause = new Error("the kettle's password is hunter2");
  const error = fail("tea-cold", "The pot stood for an hour.", { cause, extra: { retryAfterSeconds: 3 } });
  assert.ok(error instanceof CellplaneError);
  assert.equal(error.code, "tea-cold");
  assert.equal(error.status, 503);
  assert.equal(error.cause, cause);
  const problem = toProblem(error, "request-1");
  assert.deepEqual(problem, {
    type: "https://cellplane.dev/errors#tea-cold",
    title: "The tea is cold",
    status: 503,
    code: "tea-cold",
    detail: "The pot stood for an hour.",
    todo: "Wait for the kettle.",
    requestId: "request-1",
    retryAfterSeconds: 3,
  });
  assert.ok(!JSON.stringify(problem).includes("hunter2"));
});

test("the problem fits its schema, with and without a request id", () => {
  const error = fail("tea-cold", "The pot stood for an hour.");
  assert.ok(Value.Check(Problem, toProblem(error)));
  assert.ok(Value.Check(Problem, toProblem(error, "request-1")));
  assert.ok(!("requestId" in toProblem(error)));
});

test("without a cause there is none, not an undefined one", () => {
  assert.ok(!("cause" in fail("tea-cold", "Cold.")));
});

test("a code that the table has not is a mistake of the programmer", () => {
  const loose = errorsOf(table as ErrorTable);
  assert.throws(() => loose("tea-hot", "?"), { name: "TypeError", message: "no such error: tea-hot" });
});

test("further members never displace what a problem document must say", () => {
  const problem = toProblem(
    fail("tea-cold", "Cold.", { extra: { status: 200, code: "fine", missing: ["milk"] } }),
    "request-1",
  );
  assert.equal(problem.status, 503);
  assert.equal(problem.code, "tea-cold");
  assert.deepEqual((problem as { missing?: unknown }).missing, ["milk"]);
});

test("what any server may answer has statuses of errors and words for its reader", () => {
  for (const [code, { status, title, todo }] of Object.entries(httpErrors as ErrorTable)) {
    assert.ok(status >= 400 && status <= 599, code);
    assert.ok(title !== "" && todo !== "", code);
  }
});
