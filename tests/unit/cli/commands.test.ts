import assert from "node:assert/strict";
import { test } from "node:test";
import type { Rollout } from "../../../common/contracts/rollout.ts";
import { cellplane, fakeControlPlane, problem, rollout, TestHome } from "./fixtures.ts";

/** What a command of the command line sent, beside its exit code. */
async function sent(t: Parameters<typeof fakeControlPlane>[0], shown: Rollout, ...argv: string[]) {
  let { revision } = shown;
  const plane = await fakeControlPlane(t, () => ({ body: { ...shown, revision: revision++ } }));
  const home = new TestHome(t).ofFleet(plane.url);
  const { exit } = await cellplane(home.path, ...argv);
  return { exit, body: plane.calls.find(({ method }) => method === "POST")?.body };
}

const baking = rollout({ state: "baking", wave: 1, revision: 12 });
const planHash = baking.plan.hash;

test("a command about the wave at hand carries the wave and the revision that were just looked at", async (t) => {
  const cases: readonly [argv: readonly string[], more: object][] = [
    [["end-bake"], {}],
    [["extend-bake", "600"], { seconds: 600 }],
    [["skip-cell", "cell-3"], { cell: "cell-3" }],
    [["retry-cell", "cell-3"], { cell: "cell-3" }],
    [["override", "FAIL"], { verdict: "FAIL" }],
  ];
  for (const [[command = "", ...rest], more] of cases) {
    const { exit, body } = await sent(t, baking, "rollout", command, ...rest, "--reason", "because");
    assert.equal(exit, 0, command);
    const { revision, ...said } = body as { revision: number };
    assert.deepEqual(said, { command, planHash, wave: 1, reason: "because", ...more });
    assert.ok(revision >= 12);
  }
});

test("or those that somebody decided on, and then any command is bound to them", async (t) => {
  const { body } = await sent(t, baking, "rollout", "halt", "--wave", "2", "--revision", "9");
  assert.deepEqual(body, { command: "halt", planHash, wave: 2, revision: 9 });
});

test("a refusal is exit 1, a command line that does not make sense exit 2", async (t) => {
  const plane = await fakeControlPlane(t, ({ method }) =>
    method === "POST" ? problem(409, "command-refused", "the rollout is in wave 2") : { body: baking },
  );
  const home = new TestHome(t).ofFleet(plane.url);
  assert.equal((await cellplane(home.path, "rollout", "end-bake")).exit, 1);
  for (const argv of [
    ["rollout", "extend-bake"],
    ["rollout", "extend-bake", "soon"],
    ["rollout", "override", "MAYBE"],
    ["line", "stop"],
    ["operation", "abandon", baking.id],
  ])
    assert.equal((await cellplane(home.path, ...argv)).exit, 2, argv.join(" "));
});

test("the line is stopped and released with a reason, and says who did it", async (t) => {
  const plane = await fakeControlPlane(t, () => ({
    body: { stopped: true, by: "anna", reason: "payments are down", since: "2026-01-01T00:00:00.000Z" },
  }));
  const home = new TestHome(t).ofFleet(plane.url);
  const run = await cellplane(home.path, "line", "stop", "--reason", "payments are down");
  assert.equal(run.exit, 0);
  assert.match(run.stdout, /stopped.*anna at 2026-01-01T00:00:00.000Z: payments are down/);
  assert.deepEqual(plane.calls[0]?.body, { stopped: true, reason: "payments are down" });
});

test("a webhook that does not take its test is exit 1", async (t) => {
  for (const [error, exit] of [
    [null, 0],
    ["answered 500", 1],
  ] as const) {
    const plane = await fakeControlPlane(t, () => ({ body: { status: 500, error } }));
    const home = new TestHome(t).ofFleet(plane.url);
    assert.equal((await cellplane(home.path, "webhook", "test", baking.id)).exit, exit);
  }
});
