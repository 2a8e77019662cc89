import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { after, before } from "node:test";
import { systemClock } from "../../../common/clock.ts";
import { Delta, Snapshot, type Envelope } from "../../../common/contracts/fleet.ts";
import { FleetBundle } from "../../../common/fleet/bundle.ts";
import { FleetDocument } from "../../../common/fleet/document.ts";
import { openEnvelope } from "../../../common/fleet/envelope.ts";
import { readEvents } from "../../../common/fleet/event-stream.ts";
import { MapRows } from "../../../common/fleet/rows.ts";
import { FleetSubscription } from "../../../common/fleet/subscription.ts";
import { generateSigningKey } from "../../../common/keys.ts";
import { createLog } from "../../../common/log.ts";
import { FleetPublisher } from "../../../control-plane/fleet/publisher.ts";
import { currentPosition, forgetDeltas, signedDeltasAfter } from "../../../control-plane/fleet/publication.store.ts";
import { partUpdate } from "../../../control-plane/fleet/rows.ts";
import { partId } from "../../../common/ids.ts";
import { change } from "../../../control-plane/registry/change.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { partToken, startTestPlane, type TestPlane } from "./support.ts";

const router = generateSigningKey();
let postgres: TestPostgres;
let plane: TestPlane;

before(async () => {
  postgres = await startPostgres();
  plane = await startTestPlane(postgres);
  const { status } = await plane.call("PUT", "/v1/parts/router-1", { role: "router", keys: [router.spki], url: null });
  assert.equal(status, 200);
});

after(async () => {
  await plane?.stop();
  await postgres?.stop();
});

/** A change that publishes one row, as any part's registration does. */
async function publish(name: string, value: string): Promise<void> {
  const row = { id: partId(name), role: "worker" as const, keys: [value], url: null };
  await change(plane.context, { actor: "test" }, async (step) => step.publish(partUpdate(row)));
}

const trust = (kid: string) => (kid === plane.publisherKey.kid ? plane.publisherKey.publicKey : undefined);

test("concurrent changes get generations without gaps, and the chain of deltas ends at the snapshot's hash", async () => {
  const { pool, publisher } = plane.context;
  const from = await currentPosition(pool);
  const before = openEnvelope(await publisher.snapshot(), Snapshot, trust);
  await Promise.all(Array.from({ length: 100 }, (_, n) => publish(`worker-${n % 20}`, `key-${n}`)));
  await publisher.advance();

  const document = FleetDocument.of(before.rows, before.generation);
  const deltas = await signedDeltasAfter(pool, from, 1_000);
  assert.equal(deltas.length, 100);
  for (const { envelope } of deltas) {
    const delta = openEnvelope(envelope, Delta, trust);
    assert.deepEqual(delta.from, document.generation);
    assert.ok(document.apply(delta.changes, delta.to, delta.hash) !== null, `the hash of ${delta.to.n} does not fit`);
  }
  const snapshot = openEnvelope(await publisher.snapshot(), Snapshot, trust);
  assert.deepEqual([document.generation, document.hash], [snapshot.generation, snapshot.hash]);
  assert.deepEqual(Object.fromEntries(document.rows.entries()), snapshot.rows);
});

test("a change that changes nothing makes no generation", async () => {
  await publish("worker-x", "same");
  const { n } = await currentPosition(plane.context.pool);
  await publish("worker-x", "same");
  assert.equal((await currentPosition(plane.context.pool)).n, n);
});

test("two publishers serve the same bytes, whichever signed first", async () => {
  const { pool, publisher, log } = plane.context;
  const rival = new FleetPublisher({ pool, key: plane.publisherKey, log });
  await rival.start();
  const from = { ...rival.position };
  await Promise.all(Array.from({ length: 20 }, (_, n) => publish("worker-r", `rival-${n}`)));
  await Promise.all([publisher.advance(), rival.advance()]);
  const [ours, theirs] = await Promise.all([publisher.after(from, 100), rival.after(from, 100)]);
  assert.equal(ours?.length, 20);
  assert.deepEqual(ours, theirs);
  assert.deepEqual(await publisher.snapshot(), await rival.snapshot());
  rival.stop();
});

test("a subscriber follows the feed within moments of the commit, and boots from its disk", async () => {
  const directory = mkdtempSync(join(tmpdir(), "cellplane-feed-"));
  const options = {
    url: plane.url,
    part: "router-1",
    key: router,
    trustKeys: [plane.publisherKey.spki],
    createRows: () => new MapRows(),
    clock: systemClock,
    log: createLog("test", "silent"),
  };
  const first = new FleetSubscription({ ...options, keeper: new FleetBundle(directory) });
  first.start();
  const document = await first.ready();
  const slowest: number[] = [];
  for (let n = 0; n < 20; n += 1) {
    await publish("worker-s", `live-${n}`);
    const begin = performance.now();
    const seen = () => (document.row("part/worker-s") as { keys: string[] } | undefined)?.keys[0] === `live-${n}`;
    while (!seen() && performance.now() - begin < 2_000) await sleep(1);
    assert.ok(seen(), `change ${n} did not arrive`);
    slowest.push(performance.now() - begin);
  }
  const median = slowest.toSorted((a, b) => a - b)[10] ?? Infinity;
  assert.ok(median < 200, `a change took ${median} ms (median) to arrive`);
  assert.equal(document.hash, (await currentPosition(plane.context.pool)).hash);
  assert.deepEqual(first.status.refused, {});
  await first.stop();

  const second = new FleetSubscription({
    ...options,
    keeper: new FleetBundle(directory),
    url: "http://127.0.0.1:1",
  });
  second.start();
  assert.equal((await second.ready()).hash, document.hash);
  await second.stop();
  rmSync(directory, { recursive: true });
});

test("an idle feed says so, and one whose deltas are forgotten is reset", async () => {
  const at = await currentPosition(plane.context.pool);
  const idle = await firstEvent(`/v1/fleet/stream?term=${at.term}&n=${at.n}`);
  assert.equal(idle.event, "check");
  assert.deepEqual(JSON.parse(idle.data), { generation: { term: at.term, n: at.n }, hash: at.hash });

  await forgetDeltas(plane.context.pool, 5);
  const fresh = new FleetPublisher({ pool: plane.context.pool, key: plane.publisherKey, log: plane.context.log });
  await fresh.start();
  assert.equal(await fresh.after({ term: 1, n: 1 }, 10), null);
  assert.equal((await fresh.after({ term: at.term, n: at.n - 5 }, 10))?.length, 5);
  assert.equal(await fresh.after({ term: 2, n: 1 }, 10), null);
  fresh.stop();
  const other = await firstEvent(`/v1/fleet/stream?term=7&n=1`);
  assert.equal(other.event, "reset");
});

test("the feed is for registered parts, by their own key and for this audience", async () => {
  const stranger = generateSigningKey();
  const wrong: [string, string][] = [
    ["an unknown key", await partToken("router-1", stranger)],
    ["another part's name", await partToken("router-2", router)],
    ["an operator's token", plane.token],
    ["nothing", ""],
  ];
  for (const [what, token] of wrong) {
    const { status } = await plane.call("GET", "/v1/fleet/snapshot", undefined, { authorization: `Bearer ${token}` });
    assert.equal(status, 401, what);
  }
  const { status, body } = await plane.call("GET", "/v1/fleet/snapshot", undefined, {
    authorization: `Bearer ${await partToken("router-1", router)}`,
  });
  assert.equal(status, 200);
  assert.ok(openEnvelope(body as unknown as Envelope, Snapshot, trust));
});

async function firstEvent(path: string): Promise<{ event: string; data: string }> {
  const abort = new AbortController();
  const authorization = `Bearer ${await partToken("router-1", router)}`;
  const response = await fetch(new URL(path, plane.url), { headers: { authorization }, signal: abort.signal });
  assert.ok(response.body !== null);
  for await (const event of readEvents(response.body, 1_000_000)) {
    setImmediate(() => abort.abort());
    return event;
  }
  throw new Error("the stream ended without an event");
}
