import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Bed, ids, keyRow, keys, tenantRow } from "./bed.ts";
import { ask, RawConnection, sendBytes, until } from "./client.ts";

const internal = ["Cellplane-Assertion", "Cellplane-Release-Record", "Cellplane-Tenant"];
const spellings = (name: string): string[] => [
  name,
  name.toLowerCase(),
  name.toUpperCase(),
  name.replaceAll("-", "_"),
  name.toLowerCase().replace("-", "_"),
];

/** The router before played cells: what a client can send, and what the cell gets of it. */
describe("attacks at the router's door", () => {
  const bed = new Bed();
  before(() => bed.start({ HEAD_TIMEOUT_MS: "600", REQUEST_TIMEOUT_MS: "900", TRUSTED_PROXIES: "10.0.0.0/8" }));
  after(() => bed.stop());
  beforeEach(() => {
    bed.one.received.length = 0;
    bed.two.received.length = 0;
  });

  const raw = (lines: readonly string[], body = ""): Promise<{ text: string; ended: boolean }> =>
    sendBytes(bed.port, `${lines.join("\r\n")}\r\n\r\n${body}`, 10_000);
  const request = (...fields: string[]) =>
    raw(["GET /x HTTP/1.1", "Host: acme.cellplane.localhost", "Connection: close", ...fields]);
  const seen = () => bed.one.received[0] ?? assert.fail("the cell got it");

  it("attack 1: internal fields that a client sends never arrive, in whatever spelling, once or twice", async () => {
    for (const name of internal) {
      for (const spelling of spellings(name)) {
        bed.one.received.length = 0;
        const { text } = await request(`${spelling}: forged`, `${spelling}: forged twice`);
        assert.match(text, /^HTTP\/1\.1 200 /, spelling);
        assert.ok(!seen().rawHeaders.some((value) => value.includes("forged")), spelling);
        assert.equal(seen().assertion?.tenant, ids.acme);
        assert.equal(seen().assertion?.aud, "cell-1");
      }
    }
  });

  it("attack 2: `Connection` cannot delete what the router adds, nor name it away for the cell", async () => {
    for (const name of ["cellplane-assertion", "host", "traceparent", "x-request-id", "cellplane-release-record"]) {
      bed.one.received.length = 0;
      const { text } = await raw([
        "GET /x HTTP/1.1",
        "Host: acme.cellplane.localhost",
        `Connection: close, ${name}`,
        "X-Request-Id: mine",
      ]);
      assert.match(text, /^HTTP\/1\.1 200 /, name);
      assert.equal(seen().assertion?.tenant, ids.acme, name);
      assert.equal(seen().headers.host, "acme.cellplane.localhost", name);
      assert.ok(!String(seen().headers.connection ?? "").includes(name), name);
    }
  });

  it("attack 7: a key of another tenant, a revoked one and one that only begins alike are 401, one in the address opens nothing, and no key is stored", async () => {
    const key = "cpk_acme-soon-revoked";
    const [name, row] = keyRow(key, ids.acme, "40");
    await bed.publish({ [name]: row });
    const as = (text: string, host?: string) =>
      ask(bed.port, { headers: { authorization: `Bearer ${text}` }, ...(host === undefined ? {} : { host }) });
    assert.equal((await as(key)).status, 200);
    assert.equal((await as(key, "globex.cellplane.localhost")).status, 401);
    assert.equal((await as(keys.globex)).status, 401);
    assert.equal((await as(`${key}x`)).status, 401);
    await bed.publish({ [name]: null });
    const revoked = await as(key);
    assert.deepEqual([revoked.status, revoked.json["code"]], [401, "invalid-key"]);
    bed.one.received.length = 0;
    await ask(bed.port, { path: `/x?key=${keys.acme}&authorization=Bearer%20${keys.acme}` });
    assert.equal(seen().assertion?.principal, "anonymous");
    const kept = readFileSync(join(bed.directory, "fleet", "fleet.table"), "latin1");
    for (const text of [key, ...Object.values(keys)]) assert.ok(!kept.includes(text));
  });

  it("attack 9: two Host fields, or a target that names another host, are 400 and the end of the connection", async () => {
    for (const lines of [
      ["GET / HTTP/1.1", "Host: acme.cellplane.localhost", "Host: globex.cellplane.localhost"],
      ["GET / HTTP/1.1", "Host: acme.cellplane.localhost", "Host: acme.cellplane.localhost"],
      ["GET http://globex.cellplane.localhost/ HTTP/1.1", "Host: acme.cellplane.localhost"],
      ["GET / HTTP/1.1", "Host: acme.cellplane.localhost, globex.cellplane.localhost"],
      ["GET / HTTP/1.1"],
      ["GET / HTTP/1.1", "Host: acme.cellplane.localhost@globex.cellplane.localhost"],
      ["GET / HTTP/1.1", "Host: acme.cellplane.localhost."],
    ]) {
      const { text, ended } = await raw(lines);
      assert.match(text, /^HTTP\/1\.1 400 /, lines.join(" | "));
      assert.ok(ended);
    }
    assert.equal(bed.one.received.length + bed.two.received.length, 0);
  });

  it("attack 10: X-Forwarded-* and Forwarded from outside of the trusted ranges are not believed", async () => {
    await request(
      "X-Forwarded-For: 6.6.6.6",
      "X-Forwarded-Host: globex.cellplane.localhost",
      "X-Forwarded-Proto: https",
      "Forwarded: for=6.6.6.6;host=globex.cellplane.localhost",
      "X-Real-IP: 6.6.6.6",
    );
    const { headers } = seen();
    assert.ok(!JSON.stringify([headers["x-forwarded-for"], headers["forwarded"]]).includes("6.6.6.6"));
    assert.ok(!String(headers["x-forwarded-host"] ?? "").includes("globex"));
    assert.notEqual(headers["x-forwarded-proto"], "https");
  });

  it("attack 11: Content-Length beside Transfer-Encoding, two lengths, a disguised encoding, bare LF and folded lines are 400 and close", async () => {
    const post = ["POST /x HTTP/1.1", "Host: acme.cellplane.localhost"];
    const smuggled = "0\r\n\r\nGET /secret HTTP/1.1\r\nHost: globex.cellplane.localhost\r\n\r\n";
    for (const fields of [
      ["Content-Length: 5", "Transfer-Encoding: chunked"],
      ["Transfer-Encoding: chunked", "Content-Length: 5"],
      ["Content-Length: 5", "Content-Length: 6"],
      ["Content-Length: 5, 5"],
      ["Content-Length: +5"],
      ["Transfer-Encoding : chunked"],
      ["Transfer-Encoding: \x0bchunked"],
      ["Transfer-Encoding: chunked, identity"],
      ["Transfer-Encoding: xchunked"],
      ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
      ["X-Folded: a", " Transfer-Encoding: chunked"],
    ]) {
      const { text, ended } = await raw([...post, ...fields], smuggled);
      assert.match(text, /^HTTP\/1\.1 (400|501) /, fields.join(" | "));
      assert.ok(ended);
      assert.equal(text.match(/HTTP\/1\.1 /g)?.length, 1, "what stands behind it is no request");
    }
    const bareLf = await sendBytes(bed.port, "GET / HTTP/1.1\nHost: acme.cellplane.localhost\n\n", 10_000);
    assert.match(bareLf.text, /^HTTP\/1\.1 400 /);
    assert.equal(bed.one.received.length + bed.two.received.length, 0);
  });

  it("attack 12: paths that climb are 400 before any cell sees them; `%252e` stays as it is", async () => {
    for (const target of ["/../x", "/a/../b", "/%2e%2e/x", "/a/%2E%2e/b", "//globex/x", "/..", "/a/.%2e"]) {
      const { text } = await raw([`GET ${target} HTTP/1.1`, "Host: acme.cellplane.localhost", "Connection: close"]);
      assert.match(text, /^HTTP\/1\.1 400 /, target);
    }
    assert.equal(bed.one.received.length, 0);
    const { text } = await raw(["GET /%252e%252e/x HTTP/1.1", "Host: acme.cellplane.localhost", "Connection: close"]);
    assert.match(text, /^HTTP\/1\.1 200 /);
    assert.equal(seen().url, "/%252e%252e/x");
  });

  it("attack 15: a body that is too large is 413, announced or not, and a head 431; no cell gets a whole one", async () => {
    const limits = { requestsPerSecond: 10_000, inFlight: 500, bodyBytes: 1_000 };
    await bed.publish({ [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme", { limits }) });
    const post = ["POST /x HTTP/1.1", "Host: acme.cellplane.localhost"];
    const announced = await raw([...post, "Content-Length: 1001", "Connection: close"], "x".repeat(1001));
    assert.match(announced.text, /^HTTP\/1\.1 413 /);
    const chunks = `${"1f4\r\n"}${"x".repeat(500)}\r\n`.repeat(3);
    const chunked = await raw([...post, "Transfer-Encoding: chunked", "Connection: close"], `${chunks}0\r\n\r\n`);
    assert.match(chunked.text, /^HTTP\/1\.1 413 /);
    assert.equal(bed.one.received.length, 0);
    const large = await raw(["GET / HTTP/1.1", "Host: acme.cellplane.localhost", `X-Large: ${"x".repeat(70_000)}`]);
    assert.match(large.text, /^HTTP\/1\.1 431 /);
    await bed.publish({ [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme") });
  });

  it("attack 16: a head or a body that is fed drop by drop is 408 in time, however steadily it drips", async () => {
    const head = new RawConnection(bed.port);
    const body = new RawConnection(bed.port);
    head.socket.write("GET / HTTP/1.1\r\nHost: acme.cellplane.localhost\r\n");
    body.socket.write("POST /x HTTP/1.1\r\nHost: acme.cellplane.localhost\r\nContent-Length: 100000\r\n\r\n");
    for (let drop = 0; drop < 300 && !(head.closed && body.closed); drop += 1) {
      if (!head.closed && head.text === "") head.socket.write("X");
      if (!body.closed && body.text === "") body.socket.write("x");
      await sleep(50);
      if (head.text !== "" && body.text !== "") break;
    }
    await until(() => head.text !== "" && body.text !== "", "both are answered");
    assert.match(head.text, /^HTTP\/1\.1 408 /);
    assert.match(body.text, /^HTTP\/1\.1 408 /);
    head.socket.destroy();
    body.socket.destroy();
  });

  it("attack 21: a cell's redirect is the client's to follow, never the router's", async () => {
    bed.one.script = (_received, response) => {
      response.writeHead(302, { location: "http://169.254.169.254/latest/meta-data/" }).end();
      return true;
    };
    const answer = await ask(bed.port);
    bed.one.script = () => false;
    assert.equal(answer.status, 302);
    assert.equal(answer.headers.location, "http://169.254.169.254/latest/meta-data/");
    assert.equal(bed.one.received.length, 1);
  });

  it("attack 31: many keys and many addresses of one tenant share its one bucket", async () => {
    const many = Array.from({ length: 40 }, (_, n) => `cpk_acme-many-${n}`);
    const limits = { requestsPerSecond: 2, inFlight: 500, bodyBytes: 1_000 };
    await bed.publish({
      [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme", { limits }),
      ...Object.fromEntries(many.map((key, n) => keyRow(key, ids.acme, String(n + 10)))),
    });
    const begin = performance.now();
    const answers = await Promise.all(
      many.map((key, n) =>
        ask(bed.port, {
          headers: {
            authorization: `Bearer ${key}`,
            "x-forwarded-for": `6.6.6.${n}`,
            forwarded: `for=6.6.6.${n}`,
            "x-real-ip": `6.6.6.${n}`,
          },
        }),
      ),
    );
    const seconds = (performance.now() - begin) / 1000;
    const passed = answers.filter(({ status }) => status === 200).length;
    const limited = answers.filter(({ status }) => status === 429);
    assert.ok(passed >= 2 && passed <= 2 + Math.ceil(2 * seconds), `${passed} of 40 passed in ${seconds} s`);
    assert.equal(passed + limited.length, 40);
    assert.ok(limited.every(({ headers }) => headers["retry-after"] !== undefined));
    const other = await ask(bed.port, {
      host: "globex.cellplane.localhost",
      headers: { authorization: `Bearer ${keys.globex}` },
    });
    assert.equal(other.status, 200, "another tenant has its own bucket");
    await bed.publish({ [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme") });
  });
});
