import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ask, sendBytes } from "../router/client.ts";
import { CellUnderTest, type CallOptions, type TestTenant } from "./cell-under-test.ts";
import { send, type Answer } from "./http-call.ts";
import { routerBefore, type RouterBeforeCell } from "./router-before-cell.ts";

// Slot a serves Pulse; slot b another application, of which no route says that its objects are closed. Both wait only a second for a request.
let cell: CellUnderTest;
let acme: TestTenant;
let other: TestTenant;
let synthetic: TestTenant;
let router: RouterBeforeCell;

before(async () => {
  cell = await CellUnderTest.start();
  const release = await cell.release("cells/pulse", "1");
  const things = await cell.release("tests/integration/cells/http-application", "1.1");
  acme = cell.addTenant("acme");
  other = cell.addTenant("other");
  synthetic = cell.addTenant("synthetic-cell-1", { synthetic: true });
  await cell.migrate(release);
  const quick = { REQUEST_TIMEOUT_MS: "1000" };
  await cell.startApi(release, "a", 60_000, quick);
  for (const tenant of [acme, other, synthetic]) assert.equal((await cell.grant(tenant)).status, 200);
  await cell.startApi(things, "b", 60_000, quick);
  router = await routerBefore(cell, acme, { settings: { HEAD_TIMEOUT_MS: "1000", REQUEST_TIMEOUT_MS: "2000" } });
});
after(async () => {
  // There is none where a start has failed.
  await (router as RouterBeforeCell | undefined)?.stop();
  await cell.stop();
});

const at = "2026-03-01T00:00:00.000Z";
const event = (id: string) => ({ id, type: "t", user: "u", at });
const json = { "content-type": "application/json" };

function refusedAs(answer: Answer, status: number, code: string, what = ""): void {
  assert.deepEqual([answer.status, answer.body["code"]], [status, code], `${what} ${JSON.stringify(answer.body)}`);
  assert.match(answer.headers.get("content-type") ?? "", /^application\/problem\+json/);
}

/** The same at the cell and through the router. */
async function everywhere(path: string, options: CallOptions): Promise<Answer[]> {
  const { host: _, ...headers } = router.headers;
  const routed = await ask(router.port, {
    path,
    method: options.method ?? (options.body === undefined ? "GET" : "POST"),
    headers: { ...headers, ...(options.body === undefined ? {} : json), ...options.headers },
    ...(options.body === undefined
      ? {}
      : { body: typeof options.body === "string" ? options.body : Buffer.from(asBytes(options.body)) }),
  });
  const answer = {
    status: routed.status,
    headers: new Headers(Object.entries(routed.headers).map(([name, value]) => [name, String(value)])),
    body: routed.json,
  };
  return [await cell.call(acme, path, options), answer];
}

function asBytes(body: unknown): Uint8Array {
  return body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body));
}

/** How many errors PostgreSQL has logged so far. */
function databaseErrors(): number {
  const log = readFileSync(join(dirname(cell.postgres.directory), "log"), "utf8");
  return log.match(/ERROR:/g)?.length ?? 0;
}

test("attack 8: another tenant's object id is 404, byte for byte what an absent one is", async () => {
  for (const [tenant, id] of [
    [acme, "mine"],
    [other, "theirs"],
  ] as const)
    assert.equal((await cell.call(tenant, "/v1/events", { body: { events: [event(id)] } })).status, 202);
  const read = async (id: string): Promise<[number, string, string]> => {
    const answer = await fetch(new URL(`/v1/events/${id}`, cell.url()), {
      headers: { "cellplane-assertion": await cell.assertion(acme), "x-request-id": "same" },
    });
    const fields = [...answer.headers].filter(([name]) => name !== "date");
    return [answer.status, await answer.text(), JSON.stringify(fields)];
  };
  assert.equal((await read("mine"))[0], 200);
  const [status, body, fields] = await read("theirs");
  assert.deepEqual([status, body, fields], await read("nobodys"));
  assert.equal(status, 404);
  assert.match(body, /"code":"no-such-event"/);
});

test("attack 13: __proto__ and constructor.prototype are 400 in bodies and in queries", async () => {
  for (const member of [
    '"__proto__":{"admin":true}',
    '"\\u005f_proto__":1',
    '"properties":{"a":{"__proto__":{}}}',
    '"constructor":{"prototype":{}}',
  ]) {
    const body = `{"events":[{"id":"p","type":"t","user":"u","at":"${at}",${member}}]}`;
    for (const answer of await everywhere("/v1/events", { body, headers: json }))
      refusedAs(answer, 400, "malformed-json", member);
  }
  for (const query of ["__proto__=1", "constructor=1", "__proto__[a]=1", "constructor.prototype=1"])
    for (const path of ["/v1/events", "/v1/stats"])
      for (const answer of await everywhere(`${path}?${query}`, {})) refusedAs(answer, 400, "invalid-request", query);
});

test("attack 14: a megabyte of nested brackets is 400, closed or not, and costs no stack", async () => {
  const most = 1_048_576;
  for (const body of ["[".repeat(most), `${'{"a":'.repeat(200_000)}`, `${"[".repeat(most / 2)}${"]".repeat(most / 2)}`])
    for (const answer of await everywhere("/v1/events", { body, headers: json }))
      refusedAs(answer, 400, "malformed-json");
  const deep = `{"events":[{"id":"d","type":"t","user":"u","at":"${at}","properties":${'{"a":'.repeat(62)}1${"}".repeat(62)}}]}`;
  for (const answer of await everywhere("/v1/events", { body: deep, headers: json }))
    refusedAs(answer, 400, "malformed-json");
});

test("attack 15: a body that is too large is 413, announced or in chunks, and a head 431", async () => {
  const large = { events: [{ ...event("large"), properties: { a: "x".repeat(1_100_000) } }] };
  for (const answer of await everywhere("/v1/events", { body: large })) refusedAs(answer, 413, "body-too-large");
  const assertion = await cell.assertion(acme);
  const chunk = "a".repeat(65_536);
  const chunks = `10000\r\n${chunk}\r\n`.repeat(20);
  const fields = { cell: `host: c\r\ncellplane-assertion: ${assertion}`, router: routerFields() };
  for (const [port, head] of [
    [cellPort(), fields.cell],
    [router.port, fields.router],
  ] as const) {
    const { text } = await sendBytes(
      port,
      `POST /v1/events HTTP/1.1\r\n${head}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`,
      10_000,
    );
    assert.match(text, /^HTTP\/1\.1 413 /, text.slice(0, 300));
    const { text: tooLong } = await sendBytes(port, `GET / HTTP/1.1\r\n${head}\r\nx: ${"a".repeat(40_000)}\r\n\r\n`);
    assert.match(tooLong, /^HTTP\/1\.1 431 /, tooLong.slice(0, 300));
    assert.match(tooLong, /"code":"head-too-large"/);
  }
});

test("a head that the router lets through is never too large for the cell", async () => {
  const { text } = await sendBytes(
    router.port,
    `GET /v1/stats HTTP/1.1\r\n${routerFields()}\r\nconnection: close\r\nx: ${"a".repeat(15_800)}\r\n\r\n`,
    10_000,
  );
  assert.match(text, /^HTTP\/1\.1 200 /, text.slice(0, 300));
});

test("attack 16: a head or body that is fed drop by drop is 408", async () => {
  const assertion = await cell.assertion(acme);
  for (const [port, head] of [
    [cellPort(), `host: c\r\ncellplane-assertion: ${assertion}`],
    [router.port, routerFields()],
  ] as const) {
    const begun = "POST /v1/events HTTP/1.1\r\n";
    const body = `${begun}${head}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n`;
    for (const [bytes, drop] of [
      [begun, "x"],
      [body, " "],
    ] as const) {
      const began = performance.now();
      const text = await drip(port, bytes, drop);
      assert.match(text, /^HTTP\/1\.1 408 /, text.slice(0, 300));
      assert.match(text, /"code":"slow-request"/);
      assert.ok(performance.now() - began < 30_000);
    }
  }
});

test("attack 17: nothing is coerced, and what is not known is refused, also where a schema forgets to say so", async () => {
  for (const wrong of [{ value: "1" }, { value: true }, { user: 1 }, { colour: "red" }, { at: 1_700_000_000 }])
    for (const answer of await everywhere("/v1/events", { body: { events: [{ ...event("c"), ...wrong }] } }))
      refusedAs(answer, 400, "invalid-request", JSON.stringify(wrong));
  for (const query of [
    "limit=1e2",
    "limit=01",
    "limit=0",
    "limit=501",
    "limit=1&limit=2",
    "order[]=newest",
    "colour=red",
  ])
    for (const answer of await everywhere(`/v1/events?${query}`, {})) refusedAs(answer, 400, "invalid-request", query);
  const open = async (path: string, body?: unknown): Promise<Answer> =>
    send(cell.url("b"), path, {
      ...(body === undefined ? {} : { body }),
      headers: { "cellplane-assertion": await cell.assertion(synthetic) },
    });
  refusedAs(await open("/v1/things", { name: "a", colour: "red" }), 400, "invalid-request");
  refusedAs(await open("/v1/computed?key=a&colour=red"), 400, "invalid-request");
  refusedAs(await open("/v1/open?colour=red", {}), 400, "invalid-request");
});

test("attack 18: another method is 405 with Allow, and OPTIONS says the same without an error", async () => {
  for (const [method, path, allow] of [
    ["DELETE", "/v1/events", "GET, HEAD, POST, OPTIONS"],
    ["PATCH", "/v1/events/x", "GET, HEAD, OPTIONS"],
    ["POST", "/v1/stats", "GET, HEAD, OPTIONS"],
    ["GET", "/v1/hooks/github", "POST, OPTIONS"],
  ] as const) {
    for (const answer of await everywhere(path, { method, ...(method === "POST" ? { body: {} } : {}) })) {
      refusedAs(answer, 405, "method-not-allowed", `${method} ${path}`);
      assert.equal(answer.headers.get("allow"), allow);
    }
    for (const answer of await everywhere(path, { method: "OPTIONS" }))
      assert.deepEqual([answer.status, answer.headers.get("allow")], [204, allow]);
  }
  for (const answer of await everywhere("/v1/stats", { method: "HEAD" })) assert.equal(answer.status, 200);
});

test("attack 19: invalid JSON and invalid UTF-8 are 400, another content type 415", async () => {
  for (const body of ["{", "", '{"events":[}', "\u0000", '{"events":[]}x', "NaN"])
    for (const answer of await everywhere("/v1/events", { method: "POST", body, headers: json }))
      refusedAs(answer, 400, "malformed-json", body);
  for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80]]) {
    const text = JSON.stringify({ events: [event("id")] }).split("id");
    const body = Buffer.concat([Buffer.from(text[0] ?? ""), Buffer.from(bytes), Buffer.from(text.slice(1).join("id"))]);
    for (const answer of await everywhere("/v1/events", { method: "POST", body, headers: json }))
      refusedAs(answer, 400, "malformed-json", String(bytes));
  }
  for (const type of ["text/plain", "application/xml", "multipart/form-data; boundary=x", "application/x-ndjson"])
    for (const answer of await everywhere("/v1/events", {
      method: "POST",
      body: "a",
      headers: { "content-type": type },
    }))
      refusedAs(answer, 415, "unsupported-media-type", type);
});

test("attack 20: no address takes a regular expression; where text is taken it is only text", async () => {
  const evil = encodeURIComponent("^(a+)+$");
  for (const name of ["pattern", "regex", "match", "q", "filter", "type"])
    for (const answer of await everywhere(`/v1/events?${name}=${evil}`, {})) refusedAs(answer, 400, "invalid-request");
  await cell.call(acme, "/v1/events", { body: { events: [{ ...event("aaaa"), type: "^(a+)+$" }] } });
  refusedAs(await cell.call(acme, `/v1/events/${evil}`), 404, "no-such-event");
  refusedAs(await cell.call(acme, `/v1/events/${encodeURIComponent("a.*")}`), 404, "no-such-event");
});

test("attack 22: SQL where an order, a filter or a cursor belongs is 400 and never reaches the database", async () => {
  const before = databaseErrors();
  const [first] = await everywhere("/v1/events?limit=1", {});
  assert.equal(first?.status, 200, JSON.stringify(first?.body));
  const cursor = String(first.body["nextCursor"]);
  const [version, scope] = JSON.parse(Buffer.from(cursor, "base64url").toString()) as [number, string];
  const forged = (key: unknown): string => Buffer.from(JSON.stringify([version, scope, key])).toString("base64url");
  const evil = "at; DROP TABLE events --";
  for (const name of ["order", "sort", "from", "to", "limit", "cursor"])
    for (const text of [evil, "' OR 1=1 --", "1) UNION SELECT 1 --", "$1", "newest' --"])
      for (const answer of await everywhere(`/v1/events?${name}=${encodeURIComponent(text)}`, {}))
        assert.equal(answer.status, 400, `${name}=${text} ${JSON.stringify(answer.body)}`);
  for (const key of [[evil, "x"], ["2026-02-30T00:00:00Z", "x"], [at, "\u0000"], [at, 1], [at], "x", [at, "x", evil]])
    for (const answer of await everywhere(`/v1/events?limit=1&cursor=${forged(key)}`, {}))
      assert.equal(answer.status, 400, JSON.stringify(key));
  // What is well formed is a value, whatever it says.
  for (const answer of await everywhere(`/v1/events?limit=1&cursor=${forged([at, "' OR 1=1 --"])}`, {}))
    assert.equal(answer.status, 200);
  assert.equal(databaseErrors(), before, "PostgreSQL saw an error");
  assert.ok((await cell.sql("SELECT FROM events")).length > 0);
  await assert.rejects(cell.sql("SELECT * FROM nowhere"));
  assert.equal(databaseErrors(), before + 1, "the log is where errors are seen");
});

function cellPort(): number {
  return Number(new URL(cell.url()).port);
}

function routerFields(): string {
  return Object.entries(router.headers)
    .map(([name, value]) => `${name}: ${value}`)
    .join("\r\n");
}

/** Sends some bytes, and then one at a time until the connection is closed from the other side. */
async function drip(port: number, bytes: string, drop: string): Promise<string> {
  const socket = connect(port, "127.0.0.1").setEncoding("latin1");
  let text = "";
  let over = false;
  socket.on("data", (chunk: string) => (text += chunk));
  socket.on("end", () => (over = true));
  socket.on("error", () => (over = true));
  socket.write(bytes);
  for (let count = 0; count < 400 && !over; count++) {
    await sleep(100);
    if (!over) socket.write(drop);
  }
  socket.destroy();
  return text;
}
