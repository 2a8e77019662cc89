import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Bed } from "./bed.ts";
import { ask, sendBytes } from "./client.ts";

const host = "Host: acme.cellplane.localhost\r\n";

/** Name, bytes, expected status: every one is refused, answered once, and the connection closed. */
const refused: readonly (readonly [string, string, number])[] = [
  ["no Host", "GET / HTTP/1.1\r\n\r\n", 400],
  ["two Host fields", `GET / HTTP/1.1\r\n${host}Host: globex.cellplane.localhost\r\n\r\n`, 400],
  ["two equal Host fields", `GET / HTTP/1.1\r\n${host}${host}\r\n`, 400],
  ["an empty Host", "GET / HTTP/1.1\r\nHost: \r\n\r\n", 400],
  ["userinfo in Host", "GET / HTTP/1.1\r\nHost: a@acme.cellplane.localhost\r\n\r\n", 400],
  ["a trailing dot in Host", "GET / HTTP/1.1\r\nHost: acme.cellplane.localhost.\r\n\r\n", 400],
  ["absolute form of another host", `GET http://globex.cellplane.localhost/ HTTP/1.1\r\n${host}\r\n`, 400],
  ["a target of another scheme", `GET ftp://acme.cellplane.localhost/ HTTP/1.1\r\n${host}\r\n`, 400],
  ["a path that begins with two slashes", `GET //globex.cellplane.localhost/ HTTP/1.1\r\n${host}\r\n`, 400],
  ["a path that steps up", `GET /a/../admin HTTP/1.1\r\n${host}\r\n`, 400],
  ["a path that steps up, encoded", `GET /a/%2e%2E/admin HTTP/1.1\r\n${host}\r\n`, 400],
  ["a path that steps up through an encoded slash", `GET /a/..%2fadmin HTTP/1.1\r\n${host}\r\n`, 400],
  ["a backslash in the path", `GET /a\\b HTTP/1.1\r\n${host}\r\n`, 400],
  ["a fragment in the target", `GET /a#b HTTP/1.1\r\n${host}\r\n`, 400],
  ["`*` without OPTIONS", `GET * HTTP/1.1\r\n${host}\r\n`, 400],
  [
    "Content-Length and Transfer-Encoding",
    `POST / HTTP/1.1\r\n${host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    "two different Content-Lengths",
    `POST / HTTP/1.1\r\n${host}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`,
    400,
  ],
  ["two equal Content-Lengths", `POST / HTTP/1.1\r\n${host}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`, 400],
  ["a signed Content-Length", `POST / HTTP/1.1\r\n${host}Content-Length: +5\r\n\r\nhello`, 400],
  ["a Content-Length beyond 2^53", `POST / HTTP/1.1\r\n${host}Content-Length: 9007199254740993\r\n\r\nhello`, 400],
  [
    "a Transfer-Encoding other than chunked",
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ["a spaced Transfer-Encoding", `POST / HTTP/1.1\r\n${host}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`, 400],
  ["Transfer-Encoding on HTTP/1.0", `POST / HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ["a bare LF", `GET / HTTP/1.1\n${host}\r\n`, 400],
  ["a folded field", `GET / HTTP/1.1\r\n${host}X-A: 1\r\n 2\r\n\r\n`, 400],
  ["a NUL in a field", `GET / HTTP/1.1\r\n${host}X-A: a\0b\r\n\r\n`, 400],
  [
    "two Authorization fields",
    `GET / HTTP/1.1\r\n${host}Authorization: Bearer cpk_a\r\nAuthorization: Bearer cpk_b\r\n\r\n`,
    400,
  ],
  ["a version 2.0 line", `GET / HTTP/2.0\r\n${host}\r\n`, 505],
  ["no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400],
  ["a chunk size that is none", `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 400],
  ["a bad chunk in mid-body", `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nXYZ\r\n`, 400],
  ["an unknown expectation", `POST / HTTP/1.1\r\n${host}Expect: miracles\r\nContent-Length: 0\r\n\r\n`, 417],
  ["a head of more than 16 KiB", `GET / HTTP/1.1\r\n${host}X-A: ${"a".repeat(20_000)}\r\n\r\n`, 431],
  ["TRACE", `TRACE / HTTP/1.1\r\n${host}\r\n`, 501],
  ["CONNECT", "CONNECT acme.cellplane.localhost:443 HTTP/1.1\r\nHost: acme.cellplane.localhost:443\r\n\r\n", 501],
];

describe("a request on the wire", () => {
  const bed = new Bed();
  before(() => bed.start());
  after(() => bed.stop());

  for (const [name, bytes, status] of refused) {
    it(`${name}: ${status}, once, and close`, async () => {
      bed.one.received.length = 0;
      bed.two.received.length = 0;
      // A second request behind the bad one must never be answered.
      const { text, ended } = await sendBytes(bed.port, `${bytes}GET /smuggled HTTP/1.1\r\n${host}\r\n`);
      assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `), text.slice(0, 300));
      assert.equal(text.match(/HTTP\/1\.1 \d/g)?.length, 1, text);
      assert.match(text, /connection: close/i);
      assert.match(text, /application\/problem\+json/);
      assert.ok(ended);
      assert.deepEqual(
        [...bed.one.received, ...bed.two.received].map(({ url }) => url).filter((url) => url !== "/"),
        [],
      );
    });
  }

  it("what is strange but means one thing passes", async () => {
    const close = `${host}Connection: close\r\n\r\n`;
    for (const [line, url] of [
      ["GET /%252e%252e/x HTTP/1.1", "/%252e%252e/x"],
      ["GET /a..b/... HTTP/1.1", "/a..b/..."],
      ["GET /?q=../..//# HTTP/1.1".replace("#", ""), "/?q=../..//"],
      ["GET http://acme.cellplane.localhost/abs?x HTTP/1.1", "/abs?x"],
      ["GET http://ACME.cellplane.localhost HTTP/1.1", "/"],
      ["OPTIONS /x HTTP/1.1", "/x"],
      ["DELETE /x HTTP/1.1", "/x"],
    ] as const) {
      const { text } = await sendBytes(bed.port, `${line}\r\n${close}`);
      assert.match(text, /^HTTP\/1\.1 200 /, line);
      assert.ok(text.includes(`"url":"${url}"`), `${line}: ${text}`);
    }
  });

  it("HTTP/1.0 is answered without chunks and closed", async () => {
    bed.one.script = (_received, response) => {
      response.write("part one, ");
      response.end("part two");
      return true;
    };
    const { text, ended } = await sendBytes(bed.port, `GET / HTTP/1.0\r\n${host}\r\n`);
    bed.one.script = () => false;
    assert.match(text, /part one, part two$/);
    assert.doesNotMatch(text, /transfer-encoding/i);
    assert.ok(ended);
  });

  it("an upgrade to anything but a WebSocket is an ordinary request", async () => {
    const { text } = await sendBytes(
      bed.port,
      `GET /plain HTTP/1.1\r\n${host}Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`,
    );
    assert.match(text, /^HTTP\/1\.1 200 /);
    assert.equal(bed.one.received.at(-1)?.headers.upgrade, undefined);
    assert.equal(bed.one.received.at(-1)?.headers["http2-settings"], undefined);
  });

  it("serves on after all of this", async () => {
    assert.equal((await ask(bed.port)).status, 200);
  });
});
