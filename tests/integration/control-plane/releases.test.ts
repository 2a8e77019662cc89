import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { utimes } from "node:fs/promises";
import test, { after, before } from "node:test";
import { digestOf, sha256 } from "../../../common/canonical.ts";
import { systemClock, type Clock } from "../../../common/clock.ts";
import { collectBlobs } from "../../../control-plane/registry/blob-collector.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { manifestOf, startTestPlane, uploadRelease, type TestPlane } from "./support.ts";

let postgres: TestPostgres;
let plane: TestPlane;

before(async () => {
  postgres = await startPostgres();
  plane = await startTestPlane(postgres);
});

after(async () => {
  await plane?.stop();
  await postgres?.stop();
});

const bytes = { "content-type": "application/octet-stream" };

test("a blob is there when all of it came and its digest is its name", async () => {
  const content = randomBytes(3_000_000);
  const digest = sha256(content);
  assert.equal((await plane.call("HEAD", `/v1/blobs/${digest}`)).status, 404);
  const wrong = await plane.call("PUT", `/v1/blobs/${"0".repeat(64)}`, content, bytes);
  assert.deepEqual([wrong.status, wrong.body["code"]], [400, "blob-differs"]);
  const sent = await plane.call("PUT", `/v1/blobs/${digest}`, content, bytes);
  assert.deepEqual([sent.status, sent.body], [200, { digest, bytes: content.length }]);
  const head = await plane.call("HEAD", `/v1/blobs/${digest}`);
  assert.deepEqual([head.status, head.headers.get("content-length")], [200, String(content.length)]);
  const read = await fetch(new URL(`/v1/blobs/${digest}`, plane.url), {
    headers: { authorization: `Bearer ${plane.token}` },
  });
  assert.equal(sha256(new Uint8Array(await read.arrayBuffer())), digest);
  assert.equal((await plane.call("PUT", `/v1/blobs/${digest}`, content, bytes)).status, 200, "again does nothing");
});

test("a release needs its files, is stored once, and never changes", async () => {
  const manifest = manifestOf("pulse@1");
  const early = await plane.call("POST", "/v1/releases", manifest);
  assert.deepEqual([early.status, early.body["code"]], [409, "blob-missing"]);
  const stored = await uploadRelease(plane, manifest);
  assert.deepEqual(
    [stored.status, stored.body["digest"], stored.body["state"]],
    [201, digestOf(manifest), "available"],
  );
  assert.equal((await plane.call("POST", "/v1/releases", manifest)).status, 200);
  const changed = await plane.call("POST", "/v1/releases", { ...manifest, configuration: { A: "1" } });
  assert.deepEqual([changed.status, changed.body["code"]], [409, "release-exists"]);
  assert.deepEqual((await plane.call("GET", "/v1/releases/pulse@1")).body["manifest"], manifest);
});

test("a migration's number is never used again for another text", async () => {
  const same = await uploadRelease(plane, manifestOf("pulse@2", { 1: "CREATE 1", 2: "CREATE 2" }));
  assert.equal(same.status, 201);
  const reused = await uploadRelease(plane, manifestOf("pulse@3", { 1: "CREATE 1", 2: "CREATE other" }));
  assert.deepEqual([reused.status, reused.body["code"]], [409, "migration-reused"]);
  assert.equal((await plane.call("GET", "/v1/releases/pulse@3")).body["code"], "unknown-release");
});

test("a manifest that contradicts itself is refused", async () => {
  const manifest = manifestOf("pulse@4", { 1: "CREATE 1" });
  const wrong = [
    { ...manifest, version: "5" },
    { ...manifest, files: [...manifest.files, ...manifest.files] },
    { ...manifest, migrations: [...manifest.migrations, ...manifest.migrations] },
  ];
  for (const body of wrong) {
    const { status, body: answer } = await uploadRelease(plane, manifest, body);
    assert.deepEqual([status, answer["code"]], [400, "release-invalid"]);
  }
});

test("bad input is answered with what is wrong with it", async () => {
  const json = { "content-type": "application/json" };
  const tenant = { slug: "acme", tier: "free" };
  const cases: [string, string, unknown, Record<string, string>, number, string][] = [
    ["POST", "/v1/tenants", '{"slug":', json, 400, "malformed-json"],
    ["POST", "/v1/tenants", "", json, 400, "malformed-json"],
    ["POST", "/v1/tenants", { ...tenant, tier: "gold" }, {}, 400, "invalid-request"],
    ["POST", "/v1/tenants", { ...tenant, slug: 7 }, {}, 400, "invalid-request"],
    ["POST", "/v1/tenants", { ...tenant, slug: "Not A Slug" }, {}, 400, "invalid-request"],
    ["POST", "/v1/tenants", { ...tenant, colour: "red" }, {}, 400, "invalid-request"],
    ["POST", "/v1/tenants", '{"slug":"a","tier":"free","__proto__":{"x":1}}', json, 400, "malformed-json"],
    ["POST", "/v1/tenants", "slug=acme", { "content-type": "text/plain" }, 415, "unsupported-media-type"],
    ["POST", "/v1/tenants", { slug: "a".repeat(1_100_000), tier: "free" }, {}, 413, "body-too-large"],
    ["PUT", "/v1/tenants", tenant, {}, 405, "method-not-allowed"],
    ["GET", "/v1/tenants?limit=many", undefined, {}, 400, "invalid-request"],
    ["GET", "/v1/tenants/nobody", undefined, {}, 404, "unknown-tenant"],
    ["GET", "/v1/nothing", undefined, {}, 404, "not-found"],
    ["GET", "/v1/cells/cell-77", undefined, {}, 404, "unknown-cell"],
    ["PATCH", "/v1/cells/cell-77", { cordoned: "yes" }, {}, 400, "invalid-request"],
    ["GET", "/v1/rollouts/latest", undefined, {}, 404, "unknown-rollout"],
    ["GET", "/v1/rollouts/not-an-id", undefined, {}, 400, "invalid-request"],
    ["POST", "/v1/rollouts", { release: "pulse@77" }, {}, 404, "unknown-release"],
    ["POST", "/v1/rollouts", { release: "pulse" }, {}, 400, "invalid-request"],
    ["PUT", "/v1/blobs/xyz", new Uint8Array(3), bytes, 400, "invalid-request"],
    ["PUT", `/v1/blobs/${"0".repeat(64)}`, { a: 1 }, {}, 415, "unsupported-media-type"],
    ["PUT", "/v1/parts/router-1", { role: "router", keys: ["nonsense"], url: null }, {}, 400, "invalid-public-key"],
    ["GET", "/v1/query/Every%20thing", undefined, {}, 400, "invalid-request"],
    ["GET", "/v1/query/events", undefined, {}, 503, "aggregator-unreachable"],
    ["POST", "/v1/dns/apply", {}, {}, 409, "dns-not-configured"],
  ];
  for (const [method, path, body, headers, status, code] of cases) {
    const answer = await plane.call(method, path, body, headers);
    assert.deepEqual(
      [answer.status, answer.body["code"]],
      [status, code],
      `${method} ${path} ${JSON.stringify(body)?.slice(0, 60)}: ${JSON.stringify(answer.body)}`,
    );
    assert.match(answer.headers.get("content-type") ?? "", /^application\/problem\+json/);
    assert.ok(String(answer.body["todo"]).length > 0);
  }
});

test("files that no release is made of go after a day, and only those", async () => {
  const { pool, blobs } = plane.context;
  const manifest = manifestOf("pulse@1");
  const orphan = randomBytes(1_000);
  const old = sha256(orphan);
  assert.equal((await plane.call("PUT", `/v1/blobs/${old}`, orphan, bytes)).status, 200);
  const named = manifest.files.map(({ digest }) => digest);
  const twoDaysOn: Clock = { now: () => Date.now() + 48 * 3_600_000, monotonic: () => 0 };

  assert.deepEqual(await collectBlobs({ pool, blobs, clock: systemClock }), [], "a sender may still be at it");
  const collected = await collectBlobs({ pool, blobs, clock: twoDaysOn });
  assert.ok(collected.includes(old));
  for (const digest of named) assert.equal((await plane.call("HEAD", `/v1/blobs/${digest}`)).status, 200);
  assert.equal((await plane.call("HEAD", `/v1/blobs/${old}`)).status, 404);

  // Sent long ago and asked for just now: somebody is about to make a release of it.
  assert.equal((await plane.call("PUT", `/v1/blobs/${old}`, orphan, bytes)).status, 200);
  const longAgo = new Date(Date.now() - 48 * 3_600_000);
  await utimes(blobs.path(old), longAgo, longAgo);
  assert.equal((await plane.call("HEAD", `/v1/blobs/${old}`)).status, 200);
  assert.deepEqual(await collectBlobs({ pool, blobs, clock: systemClock }), []);
});
