import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import {
  connect as connectHttp2,
  type ClientHttp2Session,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { connect as connectTls } from "node:tls";
import { makeCertificate, type MadeCertificate } from "../../support/tls/certificate.ts";
import { Bed, keys } from "./bed.ts";
import { ask, until } from "./client.ts";

const acme = "acme.cellplane.localhost";

describe("TLS from clients", () => {
  const bed = new Bed();
  const folder = mkdtempSync(join(tmpdir(), "cellplane-tls-"));
  const wildcard = makeCertificate(["*.cellplane.localhost"]);
  let port = 0;
  const put = (name: string, { cert, key }: MadeCertificate) => {
    writeFileSync(join(folder, `${name}.key`), key);
    writeFileSync(join(folder, `${name}.crt`), cert);
  };
  before(async () => {
    put("wildcard", wildcard);
    await bed.start({ TLS_DIRECTORY: folder, TLS_PORT: "0" });
    port = bed.router.tlsPort ?? 0;
  });
  after(async () => {
    await bed.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  afterEach(() => {
    bed.one.script = () => false;
  });

  /** The names of the certificate that is shown for a host. */
  const shownFor = async (servername: string): Promise<string> => {
    const socket = connectTls({ port, host: "127.0.0.1", servername, rejectUnauthorized: false });
    try {
      await once(socket, "secureConnect");
      return socket.getPeerCertificate().subjectaltname ?? "";
    } finally {
      socket.destroy();
    }
  };

  it("HTTP/1.1 over TLS is served as any other, and the cell is told that it was https", async () => {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
    const options = {
      port,
      host: "127.0.0.1",
      servername: acme,
      ca: wildcard.cert,
      headers: { host: acme },
      agent: false,
    };
    const request = httpsRequest({ ...options, method: "POST" }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.on("error", reject);
    request.end("four");
    const { status, text } = await promise;
    assert.equal(status, 200);
    assert.match(text, /"bytes":4/);
    assert.equal(bed.one.received.at(-1)?.headers["x-forwarded-proto"], "https");
  });

  it("the certificate is chosen by name; a name without one is no handshake, and harms nobody", async () => {
    put("own", makeCertificate(["events.acme.example"]));
    await until(async () => (await shownFor("events.acme.example").catch(() => "")) !== "", "the new pair is used");
    assert.equal(await shownFor("events.acme.example"), "DNS:events.acme.example");
    assert.equal(await shownFor("GLOBEX.cellplane.localhost"), "DNS:*.cellplane.localhost");
    await assert.rejects(shownFor("elsewhere.example"));
    await assert.rejects(shownFor("a.b.cellplane.localhost"), "a wildcard stands for one label");
  });

  it("a renewed certificate is used without a restart; a broken pair leaves the one before in use", async () => {
    const before = await fingerprint(port);
    put("wildcard", makeCertificate(["*.cellplane.localhost"], 60));
    await until(async () => (await fingerprint(port)) !== before, "the renewed certificate is shown");
    const renewed = await fingerprint(port);
    writeFileSync(join(folder, "wildcard.key"), makeCertificate(["x.example"]).key);
    writeFileSync(join(folder, "other.crt"), "no certificate");
    put("last", makeCertificate(["last.example"]));
    await until(async () => (await shownFor("last.example").catch(() => "")) !== "", "the folder has been read again");
    assert.equal(await fingerprint(port), renewed);
    const { text } = await ask(bed.router.adminPort, { path: "/metrics" });
    assert.match(text, /cellplane_router_certificates_refused_total [1-9]/);
    assert.match(text, /cellplane_router_certificate_end_seconds \d{10}/);
  });

  describe("and HTTP/2", () => {
    let session: ClientHttp2Session;
    before(async () => {
      session = connectHttp2(`https://${acme}:${port}`, {
        createConnection: () =>
          connectTls({ port, host: "127.0.0.1", servername: acme, rejectUnauthorized: false, ALPNProtocols: ["h2"] }),
      });
      await once(session, "connect");
    });
    after(() => session.close());

    it("requests at once on one session, each with its own answer", async () => {
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          ask2(session, { ":path": `/each/${index}`, authorization: `Bearer ${keys.acme}` }),
        ),
      );
      answers.forEach(({ headers, text }, index) => {
        assert.equal(headers[":status"], 200);
        assert.ok(text.includes(`"url":"/each/${index}"`), text);
        assert.equal(headers["cellplane-release"], undefined);
        assert.ok(headers["x-request-id"] !== undefined);
      });
    });

    it("the router's own refusals are the same: unknown host, two hosts, TRACE, wrong key", async () => {
      const refused = async (headers: OutgoingHttpHeaders) => (await ask2(session, headers)).headers[":status"];
      assert.equal(await refused({ ":authority": "nobody.cellplane.localhost" }), 404);
      assert.equal(await refused({ host: "globex.cellplane.localhost" }), 400);
      assert.equal(await refused({ authorization: `Bearer ${keys.globex}` }), 401);
      assert.equal(await refused({ ":path": "/../x" }), 400);
      assert.equal(await refused({ ":method": "TRACE" }), 501);
    });

    it("bodies of any size pass both ways, with and without a length", async () => {
      const body = Buffer.alloc(3_000_000, "b");
      bed.one.script = (received, response) => {
        response.end(received.body);
        return true;
      };
      for (const length of [true, false]) {
        const headers = length ? { "content-length": String(body.length / 4) } : {};
        const { headers: answer, text } = await ask2(
          session,
          { ":method": "POST", ...headers },
          body.subarray(0, body.length / 4),
        );
        assert.deepEqual([answer[":status"], text.length], [200, body.length / 4]);
      }
      bed.one.script = (_, response) => {
        response.end(body);
        return true;
      };
      assert.equal((await ask2(session, {})).text.length, body.length);
    });

    it("HEAD, 204, interim answers and trailers are as HTTP/2 has them", async () => {
      bed.one.script = (received, response) => {
        if (received.url === "/204") response.writeHead(204).end();
        else if (received.method === "HEAD") response.writeHead(200, { "content-length": "7" }).end();
        else if (received.url === "/early") {
          response.writeEarlyHints({ link: "</a.css>; rel=preload" });
          response.end("late");
        } else {
          response.writeHead(200, { trailer: "x-sum", "set-cookie": ["a=1", "b=2"] });
          response.write("body");
          response.addTrailers({ "x-sum": "7" });
          response.end();
        }
        return true;
      };
      assert.equal((await ask2(session, { ":path": "/204" })).headers[":status"], 204);
      const head = await ask2(session, { ":method": "HEAD" });
      assert.deepEqual([head.headers["content-length"], head.text], ["7", ""]);
      const early = await ask2(session, { ":path": "/early" });
      assert.deepEqual([early.interim, early.text], [[103], "late"]);
      const whole = await ask2(session, { ":path": "/" });
      assert.deepEqual([whole.text, whole.trailers["x-sum"]], ["body", "7"]);
      assert.deepEqual(whole.headers["set-cookie"], ["a=1", "b=2"]);
    });

    it("a stream that the client ends early ends at the cell; the session goes on", async () => {
      let gone = false;
      bed.one.script = (_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write("data: 1\n\n");
        response.on("close", () => {
          gone = true;
        });
        return true;
      };
      const stream = session.request({ ":authority": acme, ":path": "/events" });
      await once(stream, "data");
      stream.close();
      await until(() => gone, "the cell's connection is closed");
      bed.one.script = () => false;
      assert.equal((await ask2(session, {})).headers[":status"], 200);
    });

    it("an answer that breaks off is an error, not an end", async () => {
      bed.one.script = (_, response) => {
        response.writeHead(200, { "content-length": "100" });
        response.write("half");
        setTimeout(() => response.socket?.destroy(), 20);
        return true;
      };
      await assert.rejects(ask2(session, {}));
      bed.one.script = () => false;
      assert.equal((await ask2(session, {})).headers[":status"], 200);
    });
  });
});

async function fingerprint(port: number): Promise<string> {
  const socket = connectTls({ port, host: "127.0.0.1", servername: acme, rejectUnauthorized: false });
  try {
    await once(socket, "secureConnect");
    return socket.getPeerCertificate().fingerprint256;
  } finally {
    socket.destroy();
  }
}

interface Answer2 {
  readonly headers: IncomingHttpHeaders & { ":status"?: number };
  readonly interim: readonly (number | undefined)[];
  readonly trailers: IncomingHttpHeaders;
  readonly text: string;
}

/** One request of HTTP/2. @throws where its stream does. */
function ask2(session: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: Buffer): Promise<Answer2> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":authority": acme, ":path": "/", ...headers }, { endStream: body === undefined });
    let answer: Answer2["headers"] = {};
    let trailers: IncomingHttpHeaders = {};
    const interim: (number | undefined)[] = [];
    const chunks: Buffer[] = [];
    stream.on("headers", (more) => interim.push(more[":status"]));
    stream.on("response", (given) => {
      answer = given;
    });
    stream.on("trailers", (given: IncomingHttpHeaders) => {
      trailers = given;
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("end", () => resolve({ headers: answer, interim, trailers, text: Buffer.concat(chunks).toString() }));
    if (body !== undefined) stream.end(body);
  });
}
