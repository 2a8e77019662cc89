import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { after, afterEach, before, describe, it } from "node:test";
import { generateSigningKey } from "../../../common/keys.ts";
import { Bed, ids, tenantRow } from "./bed.ts";
import { ask } from "./client.ts";

describe("a tenant's owner", () => {
  const bed = new Bed();
  before(() => bed.start());
  after(() => bed.stop());
  afterEach(async () => {
    bed.one.script = () => false;
    bed.two.script = () => false;
    bed.one.received.length = 0;
    bed.two.received.length = 0;
  });

  it("a forged, foreign or older release record moves nobody: 503, and neither 421 nor record is seen outside", async () => {
    const words = [
      await bed.one.releaseRecord(ids.acme, 2, bed.two, generateSigningKey()),
      // Signed by a cell that is trusted, but is not the one that was asked.
      await bed.one.releaseRecord(ids.acme, 2, bed.two, bed.two.key),
      await bed.one.releaseRecord(ids.globex, 2, bed.two),
      await bed.one.releaseRecord(ids.acme, 1, bed.two),
      await bed.one.leaseWord(ids.acme, "none", null),
      "rubbish",
    ];
    for (const word of words) {
      bed.one.script = (_received, response) =>
        bed.one.notExecuted(response, 421, "not-owned-here", { "cellplane-lease-word": word });
      const answer = await ask(bed.port);
      assert.equal(answer.status, 503);
      assert.equal(answer.json["code"], "owner-unknown");
      assert.deepEqual(
        Object.keys(answer.headers).filter((name) => name.startsWith("cellplane")),
        [],
      );
    }
    assert.equal(bed.two.received.length, 0);
    assert.equal((await bed.admin("/v1/tenants/acme")).json["source"], "document");
  });

  it("at another epoch of the same cell the request is sent once more with the epoch that the cell signed", async () => {
    const word = await bed.one.leaseWord(ids.acme, "active", 5);
    bed.one.script = (received, response) =>
      received.assertion?.epoch !== 5 &&
      bed.one.notExecuted(response, 421, "not-owned-here", { "cellplane-lease-word": word });
    const answer = await ask(bed.port, { method: "POST", body: "{}" });
    assert.equal(answer.status, 200);
    assert.equal(answer.json["epoch"], 5);
    assert.equal(bed.one.received.length, 2);
  });

  it("a cell that contradicts itself for ever ends in an error, not in a loop", async () => {
    let epoch = 10;
    bed.one.script = async (_received, response) =>
      bed.one.notExecuted(response, 421, "not-owned-here", {
        "cellplane-lease-word": await bed.one.leaseWord(ids.acme, "active", epoch++),
      });
    assert.equal((await ask(bed.port)).json["code"], "owner-unknown");
    assert.ok(bed.one.received.length <= 4);
  });

  it("a write that a frozen tenant refuses waits, and goes through when the tenant is thawed, in order", async () => {
    let frozen = true;
    bed.one.script = (_received, response) => frozen && bed.one.notExecuted(response, 503, "tenant-frozen");
    const started = performance.now();
    const asked = [];
    for (let index = 0; index < 5; index++) {
      asked.push(ask(bed.port, { method: "POST", path: `/${index}`, body: "{}" }));
      await sleep(15);
    }
    setTimeout(() => (frozen = false), 200);
    const answers = await Promise.all(asked);
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    assert.ok(performance.now() - started < 2_000);
    // One probe every 25 ms, not one per waiting request.
    assert.ok(bed.one.received.length < 5 + 5 + 16, `${bed.one.received.length} tries`);
    assert.match((await ask(bed.router.adminPort, { path: "/metrics" })).text, /cellplane_router_parked_total 5\n/);
  });

  it("a request stays parked for a bounded time only; then 503 with Retry-After, nothing executed", async () => {
    const other = new Bed();
    await other.start({ PARK_MS: "150" });
    try {
      other.one.script = (_received, response) => other.one.notExecuted(response, 503, "tenant-frozen");
      const answer = await ask(other.port, { method: "POST", body: "{}" });
      assert.equal(answer.status, 503);
      assert.equal(answer.json["code"], "tenant-frozen");
      assert.equal(answer.headers["retry-after"], "1");
    } finally {
      await other.stop();
    }
  });

  it("parked requests go to the new owner at once when the tenant moves; later ones bear the record until the document knows", async () => {
    const record = await bed.one.releaseRecord(ids.acme, 7, bed.two);
    let released = false;
    bed.one.script = (_received, response) =>
      released
        ? bed.one.notExecuted(response, 421, "not-owned-here", { "cellplane-lease-word": record })
        : bed.one.notExecuted(response, 503, "tenant-frozen");
    const waiting = [
      ask(bed.port, { method: "POST", path: "/p1", body: "one" }),
      ask(bed.port, { method: "POST", path: "/p2", body: "two!" }),
    ];
    setTimeout(() => (released = true), 100);
    const answers = await Promise.all(waiting);
    assert.deepEqual(
      answers.map(({ status, json }) => [status, json["cell"], json["epoch"], json["bytes"]]),
      [
        [200, "cell-2", 7, 3],
        [200, "cell-2", 7, 4],
      ],
    );
    assert.ok(bed.two.received.every(({ headers }) => headers["cellplane-release-record"] === record));

    bed.one.received.length = 0;
    assert.equal((await ask(bed.port)).json["cell"], "cell-2");
    assert.equal(bed.one.received.length, 0);
    const where = (await bed.admin("/v1/tenants/acme")).json;
    assert.deepEqual([where["cell"], where["epoch"], where["source"]], ["cell-2", 7, "record"]);

    // An older row does not undo it (I3); one as new as the record replaces it.
    await bed.publish({ [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme", { tier: "pro" }) });
    assert.equal((await ask(bed.port)).json["cell"], "cell-2");
    await bed.publish({ [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme", { cell: "cell-2", epoch: 7 }) });
    assert.equal((await bed.admin("/v1/tenants/acme")).json["source"], "document");
    bed.two.received.length = 0;
    await ask(bed.port);
    assert.equal(bed.two.received[0]?.headers["cellplane-release-record"], undefined);
  });
});
