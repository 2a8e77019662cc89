import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { after, before, beforeEach, describe, it } from "node:test";
import { Bed } from "./bed.ts";
import { RawConnection, sendBytes, until } from "./client.ts";

const host = "Host: acme.cellplane.localhost\r\n";
const get = (path: string, more = ""): string => `GET ${path} HTTP/1.1\r\n${host}${more}\r\n`;

/** A cell that answers with bytes. `answer` gets what has come on the connection, and writes when it pleases. */
class ByteCell {
  readonly connections: Socket[] = [];
  answer: (socket: Socket, text: string) => void = () => undefined;
  readonly #server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    this.connections.push(socket);
    let text = "";
    socket.on("error", () => undefined);
    socket.on("end", () => socket.end());
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (!text.includes("\r\n\r\n")) return;
      const whole = text;
      text = "";
      this.answer(socket, whole);
    });
  });

  async start(): Promise<string> {
    const listening = once(this.#server, "listening");
    this.#server.listen(0, "127.0.0.1");
    await listening;
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.connections) socket.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}

describe("framing, before a cell that answers with bytes", () => {
  const bed = new Bed();
  const cell = new ByteCell();
  const answers = (bytes: string) => {
    cell.answer = (socket) => void socket.write(bytes, "latin1");
  };
  before(async () => {
    await bed.start();
    const url = await cell.start();
    const slots = { a: { ...bed.one.addresses.a, url }, b: { ...bed.one.addresses.b, url } };
    await bed.publish({ "cell/cell-1": { ...bed.one.row(), slots } });
  });
  after(async () => {
    await bed.stop();
    await cell.stop();
  });
  beforeEach(async () => {
    // The test before may have opened the breaker.
    answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    await until(
      async () => (await sendBytes(bed.port, get("/", "Connection: close\r\n"))).text.startsWith("HTTP/1.1 200"),
      "the cell is asked again",
    );
    for (const socket of cell.connections.splice(0)) socket.destroy();
  });

  it("an answer until the connection's end is chunked for HTTP/1.1, and plain for HTTP/1.0", async () => {
    cell.answer = (socket) => void socket.end("HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\npart");
    const { text } = await sendBytes(bed.port, get("/x", "Connection: close\r\n"));
    assert.match(text, /transfer-encoding: chunked\r\nconnection: close\r\n\r\n4\r\npart\r\n0\r\n\r\n$/);
    const old = await sendBytes(bed.port, `GET /x HTTP/1.0\r\n${host}\r\n`);
    assert.match(old.text, /connection: close\r\n\r\npart$/);
    assert.ok(old.ended);
  });

  it("interim answers pass, 100 of the cell's own and all of them on HTTP/1.0 do not", async () => {
    answers(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nCellplane-Slot: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    const { text } = await sendBytes(bed.port, get("/x", "Connection: close\r\n"));
    assert.match(text, /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a>\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
    assert.match(text, /\r\n\r\nok$/);
    const old = await sendBytes(bed.port, `GET /x HTTP/1.0\r\n${host}\r\n`);
    assert.match(old.text, /^HTTP\/1\.1 200 OK\r\n/);
  });

  it("a refusal that comes late has a body or none as its own request asks, whatever was asked meanwhile", async () => {
    let held: Socket | null = null;
    cell.answer = (socket, text) => {
      if (text.startsWith("POST /held ")) held = socket;
      else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    };
    const client = new RawConnection(bed.port);
    client.socket.write(`POST /held HTTP/1.1\r\n${host}Content-Length: 0\r\n\r\n`);
    await until(() => held !== null, "the cell has the request");
    await sendBytes(bed.port, `HEAD /x HTTP/1.1\r\n${host}Connection: close\r\n\r\n`);
    (held as Socket | null)?.destroy();
    await until(() => client.text.includes("\r\n\r\n"), "the refusal");
    const length = Number(/content-length: (\d+)/.exec(client.text)?.[1]);
    assert.ok(length > 0);
    await until(() => client.text.length === client.text.indexOf("\r\n\r\n") + 4 + length, "its body");
    assert.match(client.text, /^HTTP\/1\.1 502 [^]*"code":"answer-lost"/);
    client.socket.destroy();
  });

  it("a request that is sent again is the same, whatever heads were read meanwhile", async () => {
    const heads: string[] = [];
    let held: Socket | null = null;
    cell.answer = (socket, text) => {
      if (!text.startsWith("GET /held?a=b "))
        return void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
      heads.push(text);
      if (heads.length === 1) held = socket;
      else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    };
    const client = new RawConnection(bed.port);
    client.socket.write(get("/held?a=b", "X-A: 1\r\nTE: trailers\r\nx-b: 2\r\n"));
    await until(() => held !== null, "the cell has the request");
    for (const path of ["/longer/than/before", "/y"])
      await sendBytes(bed.port, get(path, `X-A: other\r\nConnection: close\r\n`));
    (held as Socket | null)?.destroy();
    await until(() => client.text.endsWith("\r\n\r\nok"), "the answer to the second try");
    assert.equal(heads.length, 2);
    assert.equal(heads[1], heads[0]);
    assert.match(
      heads[0] ?? "",
      /^GET \/held\?a=b HTTP\/1\.1\r\nHost: acme\.cellplane\.localhost\r\nX-A: 1\r\nx-b: 2\r\nx-forwarded-for: /,
    );
    client.socket.destroy();
  });

  it("an answer in many pieces is put together, wherever it is cut", async () => {
    const whole =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n";
    cell.answer = (socket) => {
      socket.setNoDelay(true);
      let at = 0;
      const more = () => {
        if (at >= whole.length) return;
        socket.write(whole.slice(at, at + 1));
        at += 1;
        setImmediate(more);
      };
      more();
    };
    const connection = new RawConnection(bed.port);
    connection.socket.write(get("/x"));
    await until(() => connection.text.endsWith("0\r\nX-Sum: 1\r\n\r\n"), "the trailer", 30_000);
    const body = connection.text.slice(connection.text.indexOf("\r\n\r\n") + 4, connection.text.indexOf("0\r\nX-Sum"));
    assert.equal(body.replace(/[0-9a-f]+\r\n([^\r]+)\r\n/g, "$1"), "hello world");
    connection.socket.destroy();
  });

  const doubtful: readonly (readonly [string, string])[] = [
    ["two lengths", "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!"],
    ["two equal lengths", "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok"],
    ["length and encoding", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    ["another encoding", "Transfer-Encoding: gzip\r\n\r\nok"],
    ["a folded field", "X-A: 1\r\n 2\r\nContent-Length: 2\r\n\r\nok"],
    ["a bare LF", "X-A: 1\nContent-Length: 2\r\n\r\nok"],
  ];
  for (const [name, rest] of doubtful) {
    it(`an answer with ${name} is a 502, and its connection is never used again`, async () => {
      answers(`HTTP/1.1 200 OK\r\n${rest}`);
      const { text } = await sendBytes(
        bed.port,
        `POST /x HTTP/1.1\r\n${host}Content-Length: 0\r\nConnection: close\r\n\r\n`,
      );
      assert.match(text, /^HTTP\/1\.1 502 [\s\S]*answer-lost/);
      await until(() => cell.connections.every((socket) => socket.destroyed), "the connection is closed");
    });
  }

  it("bytes behind an answer reach nobody, and their connection is never used again", async () => {
    answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
    const { text } = await sendBytes(bed.port, `${get("/1")}${get("/2", "Connection: close\r\n")}`);
    assert.ok(!text.includes("poison"), text);
    assert.equal(text.match(/\r\n\r\nok/g)?.length, 2);
    assert.equal(cell.connections.length, 2);
    assert.ok(cell.connections.every((socket) => socket.readableEnded || socket.destroyed));
  });

  it("a chunk of the cell that is none cuts the answer off: it does not look whole", async () => {
    answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n");
    const { text } = await sendBytes(bed.port, get("/x"));
    assert.match(text, /2\r\nok\r\n$/);
    await until(() => cell.connections.every((socket) => socket.destroyed), "the connection is closed");
  });

  it("one connection carries many requests, one at a time", async () => {
    answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    const { text } = await sendBytes(bed.port, `${get("/1").repeat(20)}${get("/2", "Connection: close\r\n")}`);
    assert.equal(text.match(/HTTP\/1\.1 200/g)?.length, 21);
    assert.equal(cell.connections.length, 1);
  });

  it("an answer that comes before the body is there goes out at once; its connection is not used again", async () => {
    answers("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno");
    const client = new RawConnection(bed.port);
    client.socket.write(`POST /x HTTP/1.1\r\n${host}Content-Length: 10\r\n\r\nhello`);
    await until(() => client.text.endsWith("\r\n\r\nno"), "the early answer");
    await until(() => cell.connections.every((socket) => socket.destroyed), "the cell's connection is closed");
    answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    client.socket.write(`world${get("/next")}`);
    await until(() => client.text.endsWith("\r\n\r\nok"), "the client's connection goes on");
    client.socket.destroy();
  });

  it("a bad chunk in mid-body: 400 and close, and the cell's connection is destroyed", async () => {
    cell.answer = () => undefined;
    const client = new RawConnection(bed.port);
    client.socket.write(`POST /x HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`);
    await until(() => cell.connections.length === 1, "the request is on its way");
    client.socket.write("XYZ\r\n");
    await until(() => client.closed || client.text.startsWith("HTTP/1.1 400 "), "the refusal");
    assert.match(client.text, /connection: close/);
    await until(() => cell.connections.every((socket) => socket.destroyed), "the connection is closed");
    client.socket.destroy();
  });

  it("a client that ended its side still gets its answers, all of them", async () => {
    cell.answer = (socket) =>
      void setTimeout(() => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), 100);
    const socket = connect({ port: bed.port, host: "127.0.0.1", allowHalfOpen: true });
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    socket.end(`${get("/1")}${get("/2")}`);
    await once(socket, "end");
    assert.equal(text.match(/\r\n\r\nok/g)?.length, 2);
    assert.match(text, /connection: close/);
  });

  it("a client that goes away in mid-request takes the cell's connection with it", async () => {
    cell.answer = () => undefined;
    const client = new RawConnection(bed.port);
    client.socket.write(get("/x"));
    await until(() => cell.connections.length === 1, "the request is on its way");
    client.socket.resetAndDestroy();
    await until(() => cell.connections.every((socket) => socket.destroyed), "the connection is closed");
  });

  it("an unasked switch of protocols is a 502", async () => {
    answers("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    const { text } = await sendBytes(
      bed.port,
      `POST /x HTTP/1.1\r\n${host}Content-Length: 0\r\nConnection: close\r\n\r\n`,
    );
    assert.match(text, /^HTTP\/1\.1 502 /);
  });

  it("a body in chunks reaches the cell in chunks, without extensions and without forged trailers", async () => {
    let got = "";
    cell.answer = (socket, text) => {
      got += text;
      if (got.endsWith("0\r\nX-Sum: 1\r\n\r\n")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    };
    const body = "3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 1\r\nCellplane-Assertion: forged\r\nHost: evil\r\n\r\n";
    const { text } = await sendBytes(
      bed.port,
      `POST /x HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n${body}`,
    );
    assert.match(text, /^HTTP\/1\.1 200 /);
    assert.match(got, /transfer-encoding: chunked\r\n/);
    assert.match(got, /\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n$/);
  });
});
