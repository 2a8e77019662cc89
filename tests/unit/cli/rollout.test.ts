import assert from "node:assert/strict";
import { createServer } from "node:http";
import { stripVTControlCharacters } from "node:util";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { runCommandLine } from "../../../cli/run.ts";
import { changesBetween, changeText } from "../../../cli/actions/rollout/changes.ts";
import { endingOf } from "../../../cli/actions/rollout/ending.ts";
import { rolloutTree } from "../../../cli/actions/rollout/tree.ts";
import { type Rollout, rolloutStates } from "../../../common/contracts/rollout.ts";
import { cellplane, fakeControlPlane, problem, rollout, TestHome } from "./fixtures.ts";

/** Answers the readings one after another, the last one for ever. */
function readings(...all: readonly Rollout[]) {
  let position = 0;
  return () => all[Math.min(position++, all.length - 1)];
}

test("each state has its exit code, or goes on", () => {
  const codes = Object.fromEntries(
    rolloutStates.map((state) => [state, endingOf({ state, waitingFor: state === "waiting" ? "decision" : null })]),
  );
  assert.deepEqual(codes, {
    planned: null,
    deploying: null,
    verifying: null,
    baking: null,
    waiting: 3,
    halted: 3,
    "rolling-back": null,
    "rolled-back": 3,
    "rollback-failed": 1,
    completed: 0,
    cancelled: 3,
  });
  assert.equal(endingOf({ state: "waiting", waitingFor: "moves" }), null);
});

test("the tree shows waves, cells, what is left of the bake, and the reason", () => {
  const waves = rollout().waves.map((wave) =>
    wave.number === 1 ? { ...wave, state: "baking" as const, bakeEndsAt: "2026-01-01T00:01:15.000Z" } : wave,
  );
  const baking = rollout({ state: "baking", reason: "so it is", waves });
  const lines = rolloutTree(baking, Date.parse("2026-01-01T00:00:00.000Z"));
  assert.match(lines[0] ?? "", /^pulse@2 {2}baking/);
  assert.match(lines[1] ?? "", /^├─ wave 1 \(canary\) +baking, 1m 15s left$/);
  assert.match(lines[2] ?? "", /^│ {2}└─ cell-1 +starting +pulse@1 → pulse@2$/);
  assert.match(lines[3] ?? "", /^└─ wave 2 +pending$/);
  assert.equal(lines.at(-1), "reason  so it is");
});

test("a change is told once", () => {
  const before = rollout();
  const after = rollout({
    state: "baking",
    history: [{ at: before.updatedAt, event: "bake-began", wave: 1, cell: null, actor: "workflow", reason: null }],
  });
  assert.deepEqual(changesBetween(before, after).map(changeText), [
    "00:00:05  wave 1  bake-began",
    "00:00:05  pulse@2 baking",
  ]);
  assert.deepEqual(changesBetween(after, after), []);
});

test("start without --watch returns at once with the rollout", async (t) => {
  const plane = await fakeControlPlane(t, () => ({ status: 202, body: rollout({ state: "planned" }) }));
  const home = new TestHome(t).ofFleet(plane.url);
  const run = await cellplane(
    home.path,
    "rollout",
    "start",
    "pulse@2",
    "--time-scale",
    "0.1",
    "--bake",
    "5,10",
    "--json",
  );
  assert.equal(run.exit, 0);
  assert.equal(run.json()["state"], "planned");
  assert.deepEqual(plane.calls[0]?.body, { release: "pulse@2", policy: { timeScale: 0.1, bakeSeconds: [5, 10] } });
});

test("--watch with --json prints the final document alone on stdout, progress on stderr", async (t) => {
  const next = readings(rollout(), rollout({ state: "baking" }), rollout({ state: "completed" }));
  const plane = await fakeControlPlane(t, () => ({ body: next() }));
  const home = new TestHome(t).ofFleet(plane.url);
  const run = await cellplane(home.path, "rollout", "start", "pulse@2", "--watch", "--json");
  assert.equal(run.exit, 0);
  assert.equal(run.json()["state"], "completed");
  assert.match(run.stderr, /pulse@2 baking/);
});

test("--watch does not end in the middle of a roll-back", async (t) => {
  const next = readings(
    rollout(),
    rollout({ state: "rolling-back" }),
    rollout({ state: "rolling-back" }),
    rollout({ state: "rolled-back", reason: "too many errors" }),
  );
  const plane = await fakeControlPlane(t, () => ({ body: next() }));
  const home = new TestHome(t).ofFleet(plane.url);
  const run = await cellplane(home.path, "rollout", "start", "pulse@2", "--watch");
  assert.equal(run.exit, 3);
  assert.deepEqual(run.lines().at(-1), {
    kind: "end",
    at: rollout().updatedAt,
    id: rollout().id,
    release: "pulse@2",
    state: "rolled-back",
    waitingFor: null,
    reason: "too many errors",
    exit: 3,
  });
  assert.equal(plane.calls.length, 4);
});

test("in a pipe --watch tells each change as a line of JSON, and how it ended as the last", async (t) => {
  const entry = {
    at: "2026-01-01T00:00:09.000Z",
    event: "paused",
    wave: 1,
    cell: null,
    actor: "anna",
    reason: "lunch",
  };
  const cells = rollout().cells.map((cell) => ({ ...cell, step: "deployed" as const }));
  const next = readings(
    rollout(),
    rollout({ cells, history: [...rollout().history, entry] }),
    rollout({ cells, history: [...rollout().history, entry], state: "waiting", waitingFor: "decision", reason: "ask" }),
  );
  const plane = await fakeControlPlane(t, () => ({ body: next() }));
  const home = new TestHome(t).ofFleet(plane.url);
  const run = await cellplane(home.path, "rollout", "show", "--watch");
  assert.equal(run.exit, 3);
  const lines = run.lines();
  assert.deepEqual(
    lines.filter(({ kind }) => kind === "entry" || kind === "end"),
    [
      { kind: "entry", ...entry },
      {
        kind: "end",
        at: rollout().updatedAt,
        id: rollout().id,
        release: "pulse@2",
        state: "waiting",
        waitingFor: "decision",
        reason: "ask",
        exit: 3,
      },
    ],
  );
  assert.deepEqual(
    lines.filter(({ kind, step }) => kind === "cell" && step === "deployed").map(({ cell }) => cell),
    cells.map(({ cell }) => cell),
  );
  assert.deepEqual(
    lines.filter(({ kind }) => kind === "state").map(({ state }) => state),
    [rollout().state, "waiting"],
  );
});

test("--watch bears a control plane that goes away for a moment", async (t) => {
  const first = await fakeControlPlane(t, () => ({ body: rollout() }));
  const home = new TestHome(t).ofFleet(first.url);
  const running = cellplane(home.path, "rollout", "start", "pulse@2", "--watch");
  await sleep(300);
  await first.close();
  const port = Number(new URL(first.url).port);
  await sleep(1200);
  const second = createServer((_request, response) => {
    response
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify(rollout({ state: "completed" })));
  });
  await new Promise<void>((resolve) => {
    second.listen(port, "127.0.0.1", resolve);
  });
  try {
    const run = await running;
    assert.equal(run.exit, 0);
    const absences = run.lines().filter(({ kind }) => kind === "absence");
    assert.equal(absences.length, 1);
    assert.match(String(absences[0]?.["detail"]), /does not answer; the rollout goes on without it/);
  } finally {
    second.closeAllConnections();
    await new Promise<void>((resolve) => {
      second.close(() => resolve());
    });
  }
});

test("a command names the plan it was meant for, and the answer is what the registry knows afterwards", async (t) => {
  let commanded = 0;
  const plane = await fakeControlPlane(t, ({ method }) => {
    if (method === "POST") {
      commanded = 1;
      return { body: {} };
    }
    // The registry hears of it one reading later.
    const heard = commanded === 0 || commanded++ < 2 ? rollout() : rollout({ paused: true, revision: 2 });
    return { body: heard };
  });
  const home = new TestHome(t).ofFleet(plane.url);
  const run = await cellplane(home.path, "rollout", "pause", "--reason", "lunch", "--json");
  assert.equal(run.exit, 0);
  assert.equal(run.json()["paused"], true);
  const post = plane.calls.find((call) => call.method === "POST");
  assert.equal(post?.path, `/v1/rollouts/${rollout().id}/commands`);
  assert.deepEqual(post?.body, { command: "pause", planHash: rollout().plan.hash, reason: "lunch" });
  assert.equal(plane.calls[0]?.path, "/v1/rollouts/latest");
});

test("a refused rollout is exit 1", async (t) => {
  const plane = await fakeControlPlane(t, () => problem(409, "rollout-running"));
  const home = new TestHome(t).ofFleet(plane.url);
  assert.equal((await cellplane(home.path, "rollout", "start", "pulse@2", "--watch")).exit, 1);
});

test("on a terminal the tree is rewritten in place, cut to its size, and stands whole at the end", async (t) => {
  const next = readings(rollout(), rollout({ state: "baking" }), rollout({ state: "completed" }));
  const plane = await fakeControlPlane(t, () => ({ body: next() }));
  const home = new TestHome(t).ofFleet(plane.url);
  let screen = "";
  const stdout = { write: (text: string) => (screen += text), isTTY: true, columns: 30, rows: 4 };
  const settings = { home: home.path, decorated: true };
  const exit = await runCommandLine(["rollout", "start", "pulse@2", "--watch"], { settings, stdout, stderr: stdout });
  assert.equal(exit, 0);
  const frames = screen
    .split("\u001B[J")
    .slice(1)
    .map((frame) => stripVTControlCharacters(frame));
  assert.equal(frames.length, 3);
  for (const frame of frames.slice(0, 2)) {
    const lines = frame.split("\n").slice(0, -1);
    assert.equal(lines.length, 3);
    for (const line of lines) assert.ok(line.length < 30, line);
  }
  assert.match(frames[2] ?? "", /^pulse@2 {2}completed.*\(rollout .*by operator\)\n[^]*cell-2/);
});
