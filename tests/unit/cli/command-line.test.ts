import assert from "node:assert/strict";
import { test } from "node:test";
import { cellplane, fakeControlPlane, problem, TestHome, token } from "./fixtures.ts";

test("an unknown command is a usage error with a hint", async (t) => {
  const home = new TestHome(t);
  const { exit, stdout, stderr } = await cellplane(home.path, "statsu");
  assert.equal(exit, 2);
  assert.equal(stdout, "");
  assert.match(stderr, /Did you mean status\?/);
});

test("an unknown option, a missing argument, a missing option, a wrong word are usage errors", async (t) => {
  const home = new TestHome(t);
  for (const line of [
    ["status", "--jsn"],
    ["tenant", "show"],
    ["tenant", "create", "acme"],
    ["tenant", "create", "acme", "--tier", "gold"],
    ["query", "--by", "tier"],
    ["query", "events", "--by", "colour"],
    ["process", "stop", "cell-1-postgres"],
    ["rollout", "start", "pulse@2", "--time-scale", "soon"],
    ["tenant"],
  ]) {
    assert.equal((await cellplane(home.path, ...line)).exit, 2, line.join(" "));
  }
});

test("a usage error under --json is a problem document on stdout", async (t) => {
  const home = new TestHome(t);
  const run = await cellplane(home.path, "tenant", "create", "acme", "--tier", "gold", "--json");
  assert.equal(run.exit, 2);
  assert.equal(run.json()["code"], "usage");
});

test("help goes to stdout, shows examples and the options that every command takes, and exits 0", async (t) => {
  const home = new TestHome(t);
  const run = await cellplane(home.path, "rollout", "start", "--help");
  assert.equal(run.exit, 0);
  assert.match(run.stdout, /npx cellplane rollout start pulse@2 --watch/);
  assert.match(run.stdout, /--home <folder>/);
  assert.equal((await cellplane(home.path, "help", "tenant")).exit, 0);
});

test("a home without a fleet is not reachable", async (t) => {
  const home = new TestHome(t);
  const run = await cellplane(home.path, "tenant", "list", "--json");
  assert.equal(run.exit, 4);
  assert.equal(run.json()["code"], "no-fleet");
});

test("a control plane that is down is not reachable, and the answer says what to do", async (t) => {
  const home = new TestHome(t).ofFleet("http://127.0.0.1:9");
  const run = await cellplane(home.path, "tenant", "list");
  assert.equal(run.exit, 4);
  assert.match(run.stderr, /why .*127\.0\.0\.1:9/);
  assert.match(run.stderr, /do .*process start control-plane/);
});

test("a refusal is passed on as it came: the problem document on stdout under --json, exit 1", async (t) => {
  const plane = await fakeControlPlane(t, () => problem(503, "cell-unreachable"));
  const home = new TestHome(t).ofFleet(plane.url);
  const run = await cellplane(home.path, "tenant", "create", "acme", "--tier", "free", "--json");
  assert.equal(run.exit, 1);
  assert.equal(run.json()["code"], "cell-unreachable");
});

test("with the aggregator down a query is not reachable", async (t) => {
  const plane = await fakeControlPlane(t, () => problem(503, "aggregator-unreachable"));
  const home = new TestHome(t).ofFleet(plane.url);
  assert.equal((await cellplane(home.path, "query", "events", "--by", "tier")).exit, 4);
});

test("tenant create sends what was asked, with the operator's token, and prints the answer as it is", async (t) => {
  const created = {
    id: "01980c2e-7c3f-7b1e-9d3f-4d8f0f6a2b11",
    slug: "acme",
    host: "acme.cellplane.localhost",
    tier: "pro",
    cell: "cell-1",
    key: "cpk_x",
    explanation: "cell-1 by strategy tenant",
  };
  const plane = await fakeControlPlane(t, () => ({ status: 201, body: created }));
  const home = new TestHome(t).ofFleet(plane.url);
  const run = await cellplane(home.path, "tenant", "create", "acme", "--tier", "pro", "--region", "eu", "--json");
  assert.equal(run.exit, 0);
  assert.deepEqual(run.json(), created);
  assert.deepEqual(plane.calls, [
    {
      method: "POST",
      path: "/v1/tenants",
      body: { slug: "acme", tier: "pro", region: "eu" },
      authorization: `Bearer ${token}`,
    },
  ]);
  const forPeople = await cellplane(home.path, "tenant", "create", "acme", "--tier", "pro");
  assert.match(forPeople.stdout, /curl .*Bearer cpk_x.*http:\/\/acme\.cellplane\.localhost:8080/);
});

test("a slug cannot leave its place in the address", async (t) => {
  const plane = await fakeControlPlane(t, () => problem(404, "unknown-tenant"));
  const home = new TestHome(t).ofFleet(plane.url);
  await cellplane(home.path, "tenant", "show", "../cells");
  assert.equal(plane.calls[0]?.path, "/v1/tenants/..%2Fcells");
});

test("key revoke tells the key apart by tenant and id", async (t) => {
  const plane = await fakeControlPlane(t, () => ({ status: 204, body: null }));
  const home = new TestHome(t).ofFleet(plane.url);
  const run = await cellplane(home.path, "key", "revoke", "acme", "01980c2e-7c3f-7b1e-9d3f-4d8f0f6a2b11", "--json");
  assert.equal(run.exit, 0);
  assert.equal(plane.calls[0]?.method, "DELETE");
  assert.equal(plane.calls[0]?.path, "/v1/tenants/acme/keys/01980c2e-7c3f-7b1e-9d3f-4d8f0f6a2b11");
});

test("a partial answer says so first, and names the cell that is left out", async (t) => {
  const coverage = {
    complete: false,
    expected: ["cell-1", "cell-2"],
    answered: ["cell-1"],
    stale: [],
    failed: ["cell-2"],
    asOf: { "cell-1": "2026-01-01T00:00:00.000Z", "cell-2": null },
  };
  const answer = {
    name: "events",
    by: "tier",
    from: "2026-01-01T00:00:00.000Z",
    to: "2026-01-02T00:00:00.000Z",
    rows: [{ key: "free", value: 7 }],
    total: 7,
    coverage,
  };
  const plane = await fakeControlPlane(t, () => ({ body: answer }));
  const home = new TestHome(t).ofFleet(plane.url);
  const run = await cellplane(home.path, "query", "events", "--by", "tier");
  assert.equal(run.exit, 0);
  assert.match(run.stdout, /PARTIAL: 1 of 2 cells answered\.\n +left out +cell-2/);
  assert.deepEqual(
    (await cellplane(home.path, "query", "events", "--by", "tier", "--json")).json()["coverage"],
    coverage,
  );
});

test("the demo's keys come from the owner's file", async (t) => {
  const tenants = [{ slug: "acme", host: "acme.cellplane.localhost", key: "cpk_x", tier: "free", cell: "cell-1" }];
  const home = new TestHome(t).ofFleet().write("secrets/demo.json", { tenants });
  assert.deepEqual((await cellplane(home.path, "demo", "--json")).json(), { tenants });
});

test("a damaged file of the home is named with what is wrong in it", async (t) => {
  const home = new TestHome(t).write("fleet.json", { version: 2 });
  const run = await cellplane(home.path, "demo", "--json");
  assert.equal(run.exit, 1);
  assert.equal(run.json()["code"], "home-unreadable");
});

test("--home goes before CELLPLANE_HOME", async (t) => {
  const other = new TestHome(t);
  const home = new TestHome(t).ofFleet().write("secrets/demo.json", { tenants: [] });
  assert.equal((await cellplane(other.path, "demo", "--home", home.path, "--json")).exit, 0);
});

test("logs of a cell come from its own processes' files, the asked number of lines", async (t) => {
  const lines = Array.from({ length: 30 }, (_, number) => `{"n":${number}}`).join("\n");
  const home = new TestHome(t)
    .ofFleet()
    .write("logs/cell-1-api-a.log", `${lines}\n`)
    .write("logs/cell-1-redis.log", "up\n")
    .write("logs/cell-10-api-a.log", "no\n");
  const run = await cellplane(home.path, "cell", "logs", "cell-1", "--lines", "2", "--json");
  const logs = run.json()["logs"] as { process: string; lines: string[] }[];
  assert.deepEqual(
    logs.map((log) => [log.process, log.lines]),
    [
      ["cell-1-api-a", ['{"n":28}', '{"n":29}']],
      ["cell-1-redis", ["up"]],
    ],
  );
  assert.equal((await cellplane(home.path, "cell", "logs", "cell-9")).exit, 2);
});
