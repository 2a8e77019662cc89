import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, beforeEach, describe, it } from "node:test";
import { Bed, ids, tenantRow } from "./bed.ts";
import { ask, RawConnection, sendBytes, until } from "./client.ts";

const headers = { host: "acme.cellplane.localhost" };

describe("streams", () => {
  const bed = new Bed();
  before(async () => {
    await bed.start();
    const limits = { requestsPerSecond: 10_000, inFlight: 500, bodyBytes: 200_000_000 };
    await bed.publish({ [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme", { limits }) });
  });
  after(() => bed.stop());
  beforeEach(() => {
    bed.one.script = () => false;
    bed.one.received.length = 0;
  });

  it("bodies of any size pass unchanged, both ways", async () => {
    const sent = randomBytes(20_000_000);
    bed.one.script = (received, response) => {
      response.setHeader("x-bytes", String(received.body.length));
      response.end(sent);
      return true;
    };
    const answered = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = httpRequest({ host: "127.0.0.1", port: bed.port, method: "POST", headers }, resolve);
      request.on("error", reject);
      request.end(Buffer.alloc(20_000_000, "z"));
    });
    const digest = createHash("sha256");
    for await (const chunk of answered) digest.update(chunk as Buffer);
    assert.equal(answered.headers["x-bytes"], "20000000");
    assert.equal(digest.digest("hex"), createHash("sha256").update(sent).digest("hex"));
  });

  it("a client that does not read holds the cell back: the router keeps little", async () => {
    let written = 0;
    let full = false;
    bed.one.script = (_received, response) => {
      const chunk = Buffer.alloc(65_536, "s");
      const more = () => {
        while (written < 400_000_000 && response.write(chunk)) written += chunk.length;
        full = true;
      };
      response.on("drain", more);
      more();
      return true;
    };
    const client = new RawConnection(bed.port);
    client.socket.pause();
    client.socket.write("GET / HTTP/1.1\r\nHost: acme.cellplane.localhost\r\n\r\n");
    await until(() => full, "the cell is held back");
    let before = -1;
    await until(async () => {
      const same = written === before;
      before = written;
      await sleep(300);
      return same;
    }, "nothing more is taken");
    assert.ok(written < 40_000_000, `${written} bytes taken from the cell`);
    client.socket.destroy();
  });

  it("server-sent events come one by one, and the cell learns at once that the client is gone", async () => {
    let stream: ServerResponse | null = null;
    let gone = false;
    bed.one.script = (_received, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.flushHeaders();
      response.on("close", () => (gone = true));
      stream = response;
      return true;
    };
    const request = httpRequest({ host: "127.0.0.1", port: bed.port, headers });
    request.on("error", () => undefined);
    request.end();
    const [answer] = (await once(request, "response")) as [IncomingMessage];
    assert.equal(answer.headers["content-type"], "text/event-stream");
    const open = stream as ServerResponse | null;
    open?.write("data: one\n\n");
    assert.equal(String((await once(answer, "data"))[0]), "data: one\n\n");
    open?.write("data: two\n\n");
    assert.equal(String((await once(answer, "data"))[0]), "data: two\n\n");
    request.destroy();
    await until(() => gone, "the cell's answer is closed");
  });

  it("a WebSocket is joined to the live slot, early bytes and all, and closed when either side goes", async () => {
    const client = new RawConnection(bed.port);
    client.socket.write(
      "GET /socket HTTP/1.1\r\nHost: acme.cellplane.localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n\r\nearly",
    );
    await until(() => client.text.includes("a:/socket:early"), "the early bytes come back");
    assert.match(client.text, /^HTTP\/1\.1 101 /);
    assert.match(client.text, /sec-websocket-accept: played/i);
    assert.doesNotMatch(client.text, /cellplane-/i);
    client.socket.write("later");
    await until(() => client.text.includes("a:/socket:later"), "later bytes come back");
    client.socket.end();
    await until(() => client.closed, "both are closed");
    const unknown = await sendBytes(
      bed.port,
      "GET / HTTP/1.1\r\nHost: nobody.cellplane.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    assert.match(unknown.text, /^HTTP\/1\.1 404 /);
    assert.ok(unknown.ended);
    await until(
      async () =>
        (await bed.admin("/v1/status")).text.includes('"cell":"cell-1","liveSlot":"a","breaker":"closed","inFlight":0'),
      "nothing is in flight",
    );
  });

  it("a cell that answers before the body is there is heard, and the connection goes on", async () => {
    const early = new RawConnection(bed.port);
    const one = bed.one as unknown as { script: { (): boolean } };
    // A script without parameters answers before the body is read (for GET, which here has one).
    one.script = () => false;
    early.socket.write("GET /early HTTP/1.1\r\nHost: acme.cellplane.localhost\r\nContent-Length: 10\r\n\r\nhello");
    await until(() => early.text.includes('"url":"/early"'), "the early answer");
    early.socket.write("worldGET /next HTTP/1.1\r\nHost: acme.cellplane.localhost\r\n\r\n");
    await until(() => early.text.includes('"url":"/next"'), "the next answer");
    early.socket.destroy();
  });

  it("HEAD, 204, 304 and trailers are framed right", async () => {
    bed.one.script = (received, response) => {
      if (received.url === "/trailers") {
        response.writeHead(200, { trailer: "x-sum" });
        response.write("body");
        response.addTrailers({ "x-sum": "1", "cellplane-secret": "no" });
        response.end();
      } else if (received.method === "HEAD") {
        response.writeHead(200, { "content-length": "1234" }).end();
      } else {
        response.writeHead(Number(received.url.slice(1))).end();
      }
      return true;
    };
    const one = (line: string) => `${line} HTTP/1.1\r\nHost: acme.cellplane.localhost\r\n\r\n`;
    const { text } = await sendBytes(
      bed.port,
      `${one("HEAD /x")}${one("GET /204")}${one("GET /304")}${one("GET /trailers")}`,
      800,
    );
    assert.equal(text.match(/HTTP\/1\.1 \d{3}/g)?.join(), "HTTP/1.1 200,HTTP/1.1 204,HTTP/1.1 304,HTTP/1.1 200");
    assert.match(text, /content-length: 1234/i);
    assert.match(text, /4\r\nbody\r\n0\r\nx-sum: 1\r\n\r\n$/);
    assert.equal((await ask(bed.port, { path: "/trailers" })).text, "body");
  });
});
