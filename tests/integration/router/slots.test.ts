import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { Bed, ids, tenantRow } from "./bed.ts";
import { ask, until } from "./client.ts";

describe("a cell's slots", () => {
  const bed = new Bed();
  before(async () => {
    await bed.start();
    await bed.one.startSlot("b");
  });
  after(() => bed.stop());
  afterEach(async () => {
    bed.one.script = () => false;
    bed.one.live = "a";
    await bed.one.kill("a");
    await bed.one.kill("b");
    await bed.one.startSlot("a");
    await bed.one.startSlot("b");
    await until(async () => (await ask(bed.port)).status === 200, "cell-1 serves");
    bed.one.received.length = 0;
  });

  it("a switch loses no request, whatever the document says, and the pool to the old slot is closed by the router", async () => {
    await ask(bed.port);
    bed.one.received.length = 0;
    bed.one.live = "b";
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        ask(bed.port, { method: "POST", path: `/${index}`, body: "x".repeat(1000) }),
      ),
    );
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    assert.deepEqual([...new Set(answers.map(({ json }) => json["slot"]))], ["b"]);
    assert.deepEqual([...new Set(answers.map(({ json }) => json["bytes"]))], [1000]);
    await until(async () => (await bed.one.connections("a")) === 0, "no connection to the old slot is left");
    // The document still names a; the next request goes straight to b.
    bed.one.received.length = 0;
    await ask(bed.port);
    assert.deepEqual(
      bed.one.received.map(({ slot }) => slot),
      ["b"],
    );
  });

  it("a draining slot that still serves turns the router by naming the live one", async () => {
    bed.one.script = (received, response) => {
      if (received.slot !== "a") return false;
      response.writeHead(200, { "cellplane-slot": "b" }).end("old");
      return true;
    };
    bed.one.live = "b";
    assert.equal((await ask(bed.port)).text, "old");
    assert.equal((await ask(bed.port)).json["slot"], "b");
  });

  it("a refused connection sends the request to the other slot, body and all", async () => {
    bed.one.live = "b";
    await bed.one.kill("a");
    const body = Buffer.alloc(300_000, "y");
    const answer = await ask(bed.port, { method: "POST", body });
    assert.equal(answer.status, 200);
    assert.equal(answer.json["bytes"], 300_000);
    const turns = async () =>
      /slot_turns_total (\d+)/.exec((await ask(bed.router.adminPort, { path: "/metrics" })).text)?.[1];
    const before = await turns();
    await ask(bed.port);
    assert.equal(await turns(), before, "the slot that answered is known to be live from then on");
  });

  it("what came too large to be kept is not sent twice: 503 with Retry-After", async () => {
    bed.one.live = "b";
    const answer = await ask(bed.port, { method: "POST", body: Buffer.alloc(300_000, "y") });
    assert.equal(answer.status, 503);
    assert.equal(answer.json["code"], "not-replayable");
    assert.equal(answer.headers["retry-after"], "1");
    assert.equal((await ask(bed.port)).json["slot"], "b");
  });

  it("both slots gone: 503 for that cell's tenants, the others unaffected, and served again when it is back", async () => {
    await bed.one.kill("a");
    await bed.one.kill("b");
    const down = await Promise.all(Array.from({ length: 20 }, () => ask(bed.port)));
    assert.deepEqual([...new Set(down.map(({ json }) => json["code"]))], ["cell-unavailable"]);
    assert.deepEqual([...new Set(down.map(({ status }) => status))], [503]);
    assert.equal(down[0]?.headers["retry-after"], "1");
    const others = await Promise.all(
      Array.from({ length: 20 }, () => ask(bed.port, { host: "globex.cellplane.localhost" })),
    );
    assert.deepEqual([...new Set(others.map(({ status }) => status))], [200]);
    await bed.one.startSlot("a");
    await until(async () => (await ask(bed.port)).status === 200, "the breaker lets a probe through", 3_000);
  });

  it("slots that disagree for ever end in an error, not in a loop", async () => {
    bed.one.script = (received, response) =>
      bed.one.notExecuted(response, 503, "slot-not-live", { "cellplane-slot": received.slot === "a" ? "b" : "a" });
    const answer = await ask(bed.port);
    assert.equal(answer.json["code"], "cell-unavailable");
    assert.ok(bed.one.received.length <= 5);
  });

  it("a synthetic tenant is served by a slot that is not live", async () => {
    await bed.publish({
      [`tenant/${ids.frozen}`]: tenantRow(ids.frozen, "synthetic-cell-1", { synthetic: true, tier: "synthetic" }),
    });
    bed.one.live = "b";
    assert.equal((await ask(bed.port, { host: "synthetic-cell-1.cellplane.localhost" })).status, 200);
  });

  it("a 503 of the application is passed on as it is, and not tried again", async () => {
    bed.one.script = (_received, response) => {
      response.writeHead(503, { "retry-after": "7" }).end("mine");
      return true;
    };
    const answer = await ask(bed.port);
    assert.equal(answer.text, "mine");
    assert.equal(answer.headers["retry-after"], "7");
    assert.equal(bed.one.received.length, 1);
  });

  it("a safe request whose pooled connection breaks is tried once more, an unsafe one is a 502", async () => {
    let breaks = 1;
    bed.one.script = (_received, response) => {
      if (breaks-- <= 0) return false;
      response.socket?.destroy();
      return true;
    };
    assert.equal((await ask(bed.port)).status, 200);
    assert.equal(bed.one.received.length, 2);
    breaks = 1;
    const lost = await ask(bed.port, { method: "POST", body: "{}" });
    assert.equal(lost.status, 502);
    assert.equal(lost.json["code"], "answer-lost");
    assert.equal(bed.one.received.length, 3);
  });

  it("an answer that breaks off in the middle is cut off at the client too", async () => {
    bed.one.script = (_received, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("half");
      setTimeout(() => response.socket?.destroy(), 20);
      return true;
    };
    await assert.rejects(ask(bed.port));
  });
});
