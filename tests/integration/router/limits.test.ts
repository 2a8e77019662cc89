import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { Bed, ids, tenantRow } from "./bed.ts";
import { ask, RawConnection, sendBytes, until } from "./client.ts";
import type { Script } from "./played-cell.ts";

describe("limits and time-outs", () => {
  const bed = new Bed();
  before(() =>
    bed.start({
      REQUEST_TIMEOUT_MS: "1200",
      HEAD_TIMEOUT_MS: "700",
      FIRST_BYTE_TIMEOUT_MS: "4000",
      CONNECT_TIMEOUT_MS: "300",
      ANSWER_IDLE_TIMEOUT_MS: "300",
      CELL_IN_FLIGHT: "41",
    }),
  );
  after(() => bed.stop());
  beforeEach(async () => {
    bed.one.script = () => false;
    bed.one.received.length = 0;
    await bed.publish({ [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme") });
  });
  const limited = (limits: Record<string, number>) =>
    bed.publish({
      [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme", {
        limits: { requestsPerSecond: 10_000, inFlight: 500, bodyBytes: 1_048_576, ...limits },
      }),
    });

  it("more requests a second than the tenant may send are 429 with Retry-After and RateLimit fields; others are not touched", async () => {
    await limited({ requestsPerSecond: 5 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(bed.port)));
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length >= 14 && refused.length <= 15, `${refused.length} refused`);
    const [first] = refused;
    assert.equal(first?.json["code"], "rate-limited");
    assert.equal(first?.headers["retry-after"], "1");
    assert.equal(first?.headers["ratelimit-policy"], '"tenant";q=5;w=1');
    assert.equal(first?.headers["ratelimit"], '"tenant";r=0;t=1');
    assert.equal((await ask(bed.port, { host: "globex.cellplane.localhost" })).status, 200);
  });

  it("more requests at once than the tenant, or its cell, may have are 503", async () => {
    const held: (() => void)[] = [];
    bed.one.script = async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      held.push(resolve);
      await promise;
      return false;
    };
    await limited({ inFlight: 3 });
    const three = [ask(bed.port), ask(bed.port), ask(bed.port)];
    await until(() => held.length === 3, "three are in flight");
    const fourth = await ask(bed.port);
    assert.equal(fourth.status, 503);
    assert.equal(fourth.json["code"], "tenant-busy");
    await limited({ inFlight: 500 });
    // Of the cell's 41 one tenant has 21 at most; another's 21st is one too many for the cell.
    const more = Array.from({ length: 18 }, () => ask(bed.port));
    await until(() => held.length === 21, "the tenant's share is in flight");
    assert.equal((await ask(bed.port)).json["code"], "tenant-busy");
    await bed.publish({ [`tenant/${ids.frozen}`]: tenantRow(ids.frozen, "initech") });
    const initech = { host: "initech.cellplane.localhost" };
    more.push(...Array.from({ length: 20 }, () => ask(bed.port, initech)));
    await until(() => held.length === 41, "all that the cell takes are in flight");
    assert.equal((await ask(bed.port, initech)).json["code"], "cell-busy");
    assert.equal((await ask(bed.port, { host: "globex.cellplane.localhost" })).status, 200);
    for (const go of held) go();
    assert.ok((await Promise.all([...three, ...more])).every(({ status }) => status === 200));
    bed.one.script = () => false;
    assert.equal((await ask(bed.port)).status, 200);
  });

  it("a body announced too large is a 413 that reaches a client which goes on sending", async () => {
    const head = `POST /v1/events HTTP/1.1\r\nHost: acme.cellplane.localhost\r\nContent-Length: 30000000\r\n\r\n`;
    const { text, ended } = await sendBytes(
      bed.port,
      Buffer.concat([Buffer.from(head), Buffer.alloc(30_000_000, "x")]),
      10_000,
    );
    assert.match(text, /^HTTP\/1\.1 413 /);
    assert.match(text, /"code":"body-too-large"/);
    assert.match(text, /connection: close/i);
    assert.ok(ended, "the connection ends cleanly, without a reset");
    assert.equal(bed.one.received.length, 0);
  });

  it("a chunked body that grows too large is a 413 as well", async () => {
    await limited({ bodyBytes: 1000 });
    const chunk = `3e8\r\n${"x".repeat(1000)}\r\n`;
    const { text, ended } = await sendBytes(
      bed.port,
      `POST / HTTP/1.1\r\nHost: acme.cellplane.localhost\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(500)}0\r\n\r\n`,
      10_000,
    );
    assert.match(text, /^HTTP\/1\.1 413 /);
    assert.ok(ended);
    assert.equal(bed.one.received.length, 0);
  });

  it("a body exactly at the limit passes, and a refused small body leaves its connection usable", async () => {
    await limited({ bodyBytes: 1000 });
    assert.equal((await ask(bed.port, { method: "POST", body: "x".repeat(1000) })).json["bytes"], 1000);
    const refused = "POST / HTTP/1.1\r\nHost: nobody.cellplane.localhost\r\nContent-Length: 5\r\n\r\nhello";
    const { text } = await sendBytes(
      bed.port,
      `${refused}GET /after HTTP/1.1\r\nHost: acme.cellplane.localhost\r\nConnection: close\r\n\r\n`,
    );
    assert.match(text, /^HTTP\/1\.1 404 [\s\S]*HTTP\/1\.1 200 [\s\S]*"url":"\/after"/);
  });

  it("a dripping head or body is a 408, and the cell is let go", async () => {
    const head = new RawConnection(bed.port);
    head.socket.write("GET / HTTP/1.1\r\nHost: acme.cell");
    const body = new RawConnection(bed.port);
    body.socket.write("POST /slow HTTP/1.1\r\nHost: acme.cellplane.localhost\r\nContent-Length: 100\r\n\r\nabc");
    const drip = setInterval(() => body.socket.write("d"), 100);
    await until(() => head.closed && body.closed, "both are closed", 6_000);
    clearInterval(drip);
    for (const { text } of [head, body]) {
      assert.match(text, /^HTTP\/1\.1 408 /);
      assert.match(text, /"code":"slow-request"/);
    }
    await until(
      async () =>
        (await bed.admin("/v1/status")).text.includes('"cell":"cell-1","liveSlot":"a","breaker":"closed","inFlight":0'),
      "nothing is in flight",
    );
  });

  it("`Expect: 100-continue` is answered when the body is wanted, and not when it is refused", async () => {
    const wanted = new RawConnection(bed.port);
    wanted.socket.write(
      "POST / HTTP/1.1\r\nHost: acme.cellplane.localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    );
    await until(() => wanted.text.includes("100 Continue"), "the router says go on");
    wanted.socket.write("hello");
    await until(() => /HTTP\/1\.1 200/.test(wanted.text), "the answer");
    wanted.socket.destroy();
    const refused = await sendBytes(
      bed.port,
      "POST / HTTP/1.1\r\nHost: acme.cellplane.localhost\r\nContent-Length: 50000000\r\nExpect: 100-continue\r\n\r\n",
      500,
    );
    assert.match(refused.text, /^HTTP\/1\.1 413 /);
  });

  it("an answer that pauses for too long is cut off; a stream of events may", async () => {
    const pausing =
      (type: string): Script =>
      (_, response) => {
        response.writeHead(200, { "content-type": type });
        response.write("data: 1\n\n");
        response.on("close", () => {
          gone += 1;
        });
        return true;
      };
    let gone = 0;
    bed.one.script = pausing("application/json");
    await assert.rejects(ask(bed.port));
    await until(() => gone === 1, "the cell's connection is closed");
    bed.one.script = pausing("text/event-stream");
    const events = new RawConnection(bed.port);
    events.socket.write("GET / HTTP/1.1\r\nHost: acme.cellplane.localhost\r\n\r\n");
    await until(() => events.text.includes("data: 1"), "the first event is there");
    bed.one.script = pausing("application/json");
    await assert.rejects(ask(bed.port));
    await until(() => gone === 2, "the second answer was cut off");
    assert.equal(events.closed, false);
    events.socket.destroy();
  });

  it("a cell that accepts and says nothing is a 504 in time; a black hole is a 503 and opens the breaker", async () => {
    bed.one.script = () => true;
    const silent = await ask(bed.port, { method: "POST", body: "{}" });
    assert.equal(silent.status, 504);
    assert.equal(silent.json["code"], "cell-timeout");

    // TEST-NET-1 (RFC 5737) is routed nowhere: no answer, or none that helps.
    await bed.publish({
      "cell/cell-1": {
        ...bed.one.row(),
        slots: {
          a: { ...bed.one.addresses.a, url: "http://192.0.2.1:81" },
          b: { ...bed.one.addresses.b, url: "http://192.0.2.1:82" },
        },
      },
    });
    const started = performance.now();
    const gone = [];
    for (let index = 0; index < 6; index++) gone.push(await ask(bed.port));
    assert.deepEqual([...new Set(gone.map(({ json }) => json["code"]))], ["cell-unavailable"]);
    assert.ok(performance.now() - started < 3_000, "the breaker spares the later ones the wait");
    await bed.publish({ "cell/cell-1": bed.one.row() });
    bed.one.script = () => false;
    await until(async () => (await ask(bed.port)).status === 200, "the cell serves again", 5_000);
  });
});
