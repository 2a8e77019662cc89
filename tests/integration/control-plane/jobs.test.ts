import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { sha256 } from "../../../common/canonical.ts";
import { uuidv7 } from "../../../common/uuid.ts";
import { writeOperatorToken } from "../../../control-plane/auth/credentials.store.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { startTestCell, startTestPlane, type TestCell, type TestPlane } from "./support.ts";

let postgres: TestPostgres;
let plane: TestPlane;
let cell: TestCell;
const asked: { method: string; path: string; body: unknown }[] = [];

const id = uuidv7();
const summary = {
  id,
  job: "roll-up",
  version: 1,
  tries: 8,
  crashes: 0,
  priority: "normal",
  error: "TypeError",
  createdAt: "2026-01-01T00:00:00.000Z",
  lastTryAt: null,
  diedAt: "2026-01-01T00:10:00.000Z",
};
const errors = [{ name: "TypeError", message: "bob@example.com is no number" }];
const payload = { address: "12 Elm Street" };
const queue = { waiting: 3, inFlight: 1, dead: 1, oldestSeconds: 0.2 };

before(async () => {
  postgres = await startPostgres();
  plane = await startTestPlane(postgres);
  for (const role of ["viewer", "operator"] as const) {
    const token = { id: uuidv7(), name: `the-${role}`, role, digest: sha256(`cpo_${role}`) };
    await writeOperatorToken(plane.context.pool, token);
  }
  cell = await startTestCell("cell-1", "eu", () => plane.key);
  cell.jobs = (method, path, body) => {
    asked.push({ method, path, body });
    if (path.startsWith("?")) return { status: 200, body: { queue, letters: [summary], next: null } };
    if (path === `/${id}`) return { status: 200, body: { ...summary, payload, errors } };
    if (path.endsWith("/replay")) return { status: 200, body: { replayed: 1, remaining: 0 } };
    if (path === `/${id}/discard`) return { status: 200, body: { id, discarded: true } };
    return { status: 404, body: { code: "unknown-dead-letter", title: "none", detail: "none", status: 404 } };
  };
  assert.equal((await plane.call("POST", "/v1/cells", cell.registration)).status, 200);
  assert.equal((await plane.call("POST", "/v1/tenants", { slug: "acme", tier: "pro" })).status, 201);
});

after(async () => {
  await plane?.stop();
  await cell?.stop();
  await postgres?.stop();
});

const as = (role: string) => ({ authorization: `Bearer cpo_${role}` });
const audit = async (): Promise<string[]> => {
  const { body } = await plane.call("GET", "/v1/audit?limit=20");
  const entries = body["entries"] as {
    actor: string;
    action: string;
    target: string;
    outcome: string;
    reason: string | null;
  }[];
  return entries.map((entry) => [entry.actor, entry.action, entry.target, entry.outcome, entry.reason].join(" "));
};

test("a viewer sees which jobs failed, and nothing of what is in them", async () => {
  const list = await plane.call("GET", "/v1/tenants/acme/jobs?limit=5", undefined, as("viewer"));
  assert.deepEqual([list.status, list.body], [200, { queue, letters: [summary], next: null }]);
  assert.equal(asked.at(-1)?.path, "?limit=5");
  const one = await plane.call("GET", `/v1/tenants/acme/jobs/${id}`, undefined, as("viewer"));
  assert.deepEqual([one.status, one.body], [200, summary]);
});

test("an operator sees payload and errors, and stands in the audit for it", async () => {
  const one = await plane.call("GET", `/v1/tenants/acme/jobs/${id}`, undefined, as("operator"));
  assert.deepEqual(one.body, { ...summary, payload, errors });
  assert.equal((await audit())[0], `the-operator job.read acme/${id} done `);
});

test("replays and discards need an operator, and stand in the audit with their reason", async () => {
  for (const [path, body] of [
    ["replay", undefined],
    [`${id}/replay`, undefined],
    [`${id}/discard`, { reason: "the order was cancelled" }],
  ] as const) {
    const before = asked.length;
    const refused = await plane.call("POST", `/v1/tenants/acme/jobs/${path}`, body, as("viewer"));
    assert.deepEqual([refused.status, refused.body["code"], asked.length], [403, "role-too-low", before]);
    const done = await plane.call("POST", `/v1/tenants/acme/jobs/${path}`, body, as("operator"));
    assert.equal(done.status, 200, JSON.stringify(done.body));
  }
  assert.deepEqual(asked.at(-1), {
    method: "POST",
    path: `/${id}/discard`,
    body: { reason: "the order was cancelled" },
  });
  const done = (await audit()).filter((entry) => entry.includes(" done "));
  assert.deepEqual(done.slice(0, 3), [
    `the-operator job.discard acme/${id} done the order was cancelled`,
    `the-operator job.replay acme/${id} done `,
    "the-operator job.replay-all acme done ",
  ]);
  const without = await plane.call("POST", `/v1/tenants/acme/jobs/${id}/discard`, {}, as("operator"));
  assert.equal(without.status, 400, "a discard has a reason");
});

test("what the cell refuses is passed on; a cell that does not answer is said to be silent", async () => {
  const absent = await plane.call("GET", `/v1/tenants/acme/jobs/${uuidv7()}`, undefined, as("operator"));
  assert.deepEqual([absent.status, absent.body["code"]], [404, "unknown-dead-letter"]);
  assert.match(absent.headers.get("content-type") ?? "", /problem\+json/);
  const nobody = await plane.call("GET", "/v1/tenants/nobody/jobs");
  assert.deepEqual([nobody.status, nobody.body["code"]], [404, "unknown-tenant"]);
  cell.dead = true;
  const silent = await plane.call("GET", "/v1/tenants/acme/jobs");
  assert.deepEqual([silent.status, silent.body["code"]], [503, "cell-silent"]);
  cell.dead = false;
});
