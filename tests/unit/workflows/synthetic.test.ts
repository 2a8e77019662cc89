import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, test } from "node:test";
import { Agent } from "undici";
import { sha256 } from "../../../common/canonical.ts";
import { systemClock } from "../../../common/clock.ts";
import { Assertion } from "../../../common/contracts/assertion.ts";
import { internalHeaders } from "../../../common/contracts/headers.ts";
import { CellplaneError } from "../../../common/errors.ts";
import type { JourneyStep } from "../../../common/contracts/release.ts";
import { cellId, partId, releaseName, tenantId, type ReleaseName } from "../../../common/ids.ts";
import { generateSigningKey } from "../../../common/keys.ts";
import { verifyToken } from "../../../common/tokens.ts";
import { createSynthetic, syntheticKey, type Synthetic } from "../../../workflows/activities/synthetic.ts";
import { FakeFleet } from "../../workflow/support/fake-fleet.ts";

const cell = cellId("cell-1");
const identity = { part: partId("worker"), key: generateSigningKey() };
const tenant = tenantId("00000000-0000-7000-8000-000000000001");
const pulse = releaseName("pulse@1");
const shop = releaseName("shop@1");
const journey: readonly JourneyStep[] = [
  {
    name: "send an event",
    method: "POST",
    path: "/v1/events?round={{uuid}}",
    body: { events: [{ id: "{{uuid}}", at: "{{now}}", value: 1 }] },
    expect: 202,
  },
  { name: "read statistics", method: "GET", path: "/v1/stats", expect: 200 },
];

let server: Server;
let dispatcher: Agent;
let synthetic: Synthetic;
let seen: IncomingMessage[];
let bodies: string[];
let statusOf: (request: IncomingMessage) => number;
let keys: string[];

beforeEach(async () => {
  seen = [];
  bodies = [];
  keys = [];
  statusOf = ({ method }) => (method === "POST" ? 202 : 200);
  server = createServer((request, response) => {
    seen.push(request);
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => (body += text));
    request.on("end", () => {
      bodies.push(body);
      response.writeHead(statusOf(request)).end("{}");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const fleet = new FakeFleet(1, "pulse@1");
  const slot = { url, adminUrl: url, workerUrl: url };
  const registry = {
    ...fleet.registry,
    release: async (name: ReleaseName) => ({
      name,
      digest: "0".repeat(64),
      state: "available" as const,
      manifest: name === pulse ? { journey: [...journey] } : {},
    }),
    cell: async () => ({ id: cell, slots: { a: slot, b: slot }, liveSlot: "a" as const, release: null }),
    syntheticTenant: async () => ({ id: tenant, host: "synthetic-cell-1.cellplane.localhost", epoch: 3 }),
    ensureKey: async (_: unknown, digest: string) => void keys.push(digest),
  };
  dispatcher = new Agent();
  synthetic = createSynthetic({ identity, registry, clock: systemClock, dispatcher, routerUrl: url, timeoutMs: 2_000 });
});
afterEach(async () => {
  await dispatcher.destroy();
  server.closeAllConnections();
  server.close();
});

test("a synthetic tenant's key is always the same, another for each tenant and worker, and only its digest is handed on", async () => {
  const key = syntheticKey(identity, tenant);
  assert.match(key, /^cpk_[A-Za-z0-9_-]{43}$/);
  assert.equal(syntheticKey(identity, tenant), key);
  assert.notEqual(syntheticKey(identity, tenantId("00000000-0000-7000-8000-000000000002")), key);
  assert.notEqual(syntheticKey({ ...identity, key: generateSigningKey() }, tenant), key);
  await synthetic.ensureKey(cell);
  assert.deepEqual(keys, [sha256(key)]);
});

test("the journey at a slot takes the declared steps, placeholders filled in, with an assertion that the cell can check", async () => {
  await synthetic.journeyAtSlot(cell, "b", pulse);
  assert.deepEqual(
    seen.map(({ method, url }) => [method, url?.replace(/[0-9a-f-]{36}$/, "<uuid>")]),
    [
      ["POST", "/v1/events?round=<uuid>"],
      ["GET", "/v1/stats"],
    ],
  );
  const sent = JSON.parse(bodies[0] ?? "") as { events: { id: string; at: string; value: number }[] };
  assert.equal(seen[0]?.url, `/v1/events?round=${sent.events[0]?.id}`, "one UUID a round");
  assert.ok(Date.parse(sent.events[0]?.at ?? "") <= Date.now());
  const token = seen[0]?.headers[internalHeaders.assertion];
  assert.ok(typeof token === "string");
  const nowSeconds = Math.floor(Date.now() / 1000);
  const keysOf = (): typeof identity.key.publicKey => identity.key.publicKey;
  const { payload } = await verifyToken(token, {
    type: "cp-assertion",
    schema: Assertion,
    keys: keysOf,
    audience: cell,
    nowSeconds,
  });
  assert.deepEqual(
    { ...payload, iat: 0, exp: 0 },
    { iss: "worker", aud: cell, tenant, epoch: 3, principal: "worker", synthetic: true, iat: 0, exp: 0 },
  );
});

test("a journey that fails names the slot, the status and the step", async () => {
  statusOf = ({ method }) => (method === "POST" ? 202 : 500);
  await assert.rejects(
    synthetic.journeyAtSlot(cell, "b", pulse),
    (error) =>
      error instanceof CellplaneError &&
      error.code === "smoke-failed" &&
      /Slot b of cell-1 answered 500 to "read statistics"/.test(error.message),
  );
});

test("of an application that declares no journey only the front door is tried, and its own failure counts alone", async () => {
  statusOf = () => 404;
  await synthetic.journeyAtSlot(cell, "a", shop);
  statusOf = () => 503;
  await assert.rejects(synthetic.journeyAtSlot(cell, "a", shop), CellplaneError);
});

test("load sends exactly as many requests as asked for, as the tenant, spread over the time", async () => {
  const began = performance.now();
  const result = await synthetic.load(cell, pulse, 25, 300);
  assert.deepEqual(result, { sent: 25, failed: 0 });
  assert.equal(seen.length, 25);
  assert.ok(performance.now() - began >= 250);
  assert.ok(seen.every(({ headers }) => headers.host === "synthetic-cell-1.cellplane.localhost"));
  assert.ok(seen.every(({ headers }) => headers.authorization === `Bearer ${syntheticKey(identity, tenant)}`));
});

test("requests that fail are counted, not thrown: the router saw them, and the judge decides", async () => {
  statusOf = ({ method }) => (method === "POST" ? 500 : 200);
  const result = await synthetic.load(cell, pulse, 10, 0);
  assert.equal(result.sent, 10);
  assert.ok(result.failed > 0 && result.failed < 10);
});
