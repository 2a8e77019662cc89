import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { CellUnderTest, type TestTenant } from "./cell-under-test.ts";
import { until } from "./http-call.ts";
import { routerBefore, type RouterBeforeCell } from "./router-before-cell.ts";

let cell: CellUnderTest;
let acme: TestTenant;
let other: TestTenant;
let release: string;
let next: string;
let router: RouterBeforeCell;

before(async () => {
  cell = await CellUnderTest.start();
  acme = cell.addTenant("acme");
  other = cell.addTenant("other");
  release = await cell.release("tests/integration/cells/http-application", "1");
  next = await cell.release("tests/integration/cells/http-application", "2");
  await cell.migrate(release);
  await cell.startApi(release);
  await cell.startApi(next, "b");
  for (const tenant of [acme, other]) assert.equal((await cell.grant(tenant)).status, 200);
  router = await routerBefore(cell, acme, { slots: { a: cell.url("a"), b: cell.url("b") } });
});
after(async () => {
  // There is none where a start has failed.
  await (router as RouterBeforeCell | undefined)?.stop();
  await cell.stop();
});

/** A client of server-sent events: what has come so far, and whether the answer has ended as it should. */
class EventClient {
  readonly answer: IncomingMessage;
  text = "";
  ended = false;

  constructor(answer: IncomingMessage) {
    this.answer = answer;
    answer.setEncoding("utf8");
    answer.on("data", (chunk: string) => (this.text += chunk));
    answer.on("end", () => (this.ended = true));
    answer.on("error", () => undefined);
  }

  get ids(): number[] {
    return [...this.text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
  }

  close(): void {
    this.answer.destroy();
  }

  async hear(events: number): Promise<void> {
    await until(`${events} events`, async () => this.ids.length >= events, 30_000);
  }

  async end(): Promise<void> {
    await until("the stream has ended", async () => this.ended, 30_000);
  }
}

async function listen(base: string, headers: Readonly<Record<string, string>>): Promise<EventClient> {
  const request = httpRequest(new URL("/v1/ticks", base), { headers, agent: false });
  request.end();
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  return new EventClient(answer);
}
const direct = async (tenant: TestTenant, slot: "a" | "b" = "a"): Promise<EventClient> =>
  listen(cell.url(slot), { "cellplane-assertion": await cell.assertion(tenant) });
const routed = (headers: Readonly<Record<string, string>> = {}): Promise<EventClient> =>
  listen(`http://127.0.0.1:${router.port}`, { ...router.headers, ...headers });

async function open(url: string, headers: Readonly<Record<string, string>>): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace("http:", "ws:")}/v1/echo`, { headers });
  await once(socket, "open");
  return socket;
}
const openDirect = async (tenant: TestTenant): Promise<WebSocket> =>
  open(cell.url(), { "cellplane-assertion": await cell.assertion(tenant) });
const openRouted = (): Promise<WebSocket> => open(`http://127.0.0.1:${router.port}`, router.headers);

async function echo(socket: WebSocket, text: string): Promise<string> {
  const heard = once(socket, "message");
  socket.send(text);
  const [message] = (await heard) as [Buffer];
  return message.toString("utf8");
}

async function closed(socket: WebSocket): Promise<number> {
  const [code] = (await once(socket, "close")) as [number];
  return code;
}

async function lease(tenant: TestTenant, changes: string): Promise<void> {
  await cell.sql(`UPDATE cellplane.leases SET ${changes} WHERE tenant_id = $1`, [tenant.id]);
}
const served = "state = 'active', epoch = 1, suspended = false, freeze_id = NULL, freeze_deadline = NULL";
const endings = {
  freeze: "state = 'frozen', freeze_id = 'f', freeze_deadline = now() + interval '1 hour'",
  release: "state = 'released', epoch = 2, release_record = 'the.signed.word'",
  "new epoch": "epoch = 2",
  suspension: "suspended = true, suspend_reason = 'unpaid'",
} as const;

async function inFlight(slot: "a" | "b" = "a"): Promise<unknown> {
  const { body } = await cell.admin("/v1/status", { slot });
  return body["inFlight"];
}
/** What a drain waits for. */
async function isEmpty(slot: "a" | "b"): Promise<boolean> {
  const { body } = await cell.admin("/v1/status", { slot });
  return body["inFlight"] === 0 && body["connections"] === 0;
}

test("server-sent events come one by one through the router, begin with retry, and go on after the id that was seen", async () => {
  const first = await routed();
  assert.equal(first.answer.statusCode, 200);
  assert.equal(first.answer.headers["content-type"], "text/event-stream");
  assert.equal(first.answer.headers["cache-control"], "no-store");
  await first.hear(3);
  assert.match(first.text, /^retry: \d+\n\nid: 1\nevent: tick\ndata: \{"tick":1\}\n\n/);
  const seen = first.ids.at(-1) ?? 0;
  first.close();
  const second = await routed({ "last-event-id": String(seen) });
  await second.hear(1);
  assert.equal(second.ids[0], seen + 1);
  second.close();
  await until("the cell has noticed that they left", async () => (await inFlight()) === 0);
});

for (const [what, changes] of Object.entries(endings)) {
  test(`at a ${what} the tenant's streams end so that clients come again, and nobody else's do`, async () => {
    const sockets = [await openDirect(acme), await openRouted()];
    const events = [await direct(acme), await routed()];
    const bystander = await direct(other);
    const bystanding = await openDirect(other);
    for (const stream of [...events, bystander]) await stream.hear(1);
    for (const socket of sockets) assert.equal(await echo(socket, "hello"), "1: hello");
    const codes = Promise.all(sockets.map(async (socket) => closed(socket)));
    await lease(acme, changes);
    for (const stream of events) {
      await stream.end();
      assert.match(stream.text, /\n\nretry: \d+\n\n$/);
    }
    assert.deepEqual(await codes, [1012, 1012]);
    const heard = bystander.ids.length;
    await bystander.hear(heard + 2);
    assert.equal(await echo(bystanding, "still here"), "1: still here");
    await lease(acme, served);
    bystander.close();
    bystanding.close();
    await until("nothing is in flight", async () => (await inFlight()) === 0);
  });
}

test("a WebSocket's way is that of every request: no assertion 401, no key 401, no such route 404, a plain request 426", async () => {
  const refused = async (headers: Record<string, string>, path = "/v1/echo"): Promise<number> => {
    const socket = new WebSocket(`${cell.url().replace("http:", "ws:")}${path}`, { headers });
    socket.on("error", () => undefined);
    const [, answer] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage];
    answer.resume();
    assert.match(String(answer.headers["content-type"]), /problem\+json/);
    return answer.statusCode ?? 0;
  };
  const word = async (principal?: string) => ({
    "cellplane-assertion": await cell.assertion(acme, principal === undefined ? {} : { principal }),
  });
  assert.equal(await refused({}), 401);
  assert.equal(await refused(await word("anonymous")), 401);
  assert.equal(await refused(await word(), "/v1/nowhere"), 404);
  assert.equal(await refused(await word(), "/v1/ticks"), 400);
  const plain = await cell.call(acme, "/v1/echo");
  assert.deepEqual([plain.status, plain.body["code"]], [426, "websocket-expected"]);
  assert.equal(plain.headers.get("upgrade"), "websocket");
  assert.equal((await fetch(new URL("/v1/echo", cell.url()), { method: "HEAD", headers: await word() })).status, 426);
  assert.equal((await fetch(new URL("/v1/ticks", cell.url()), { method: "HEAD", headers: await word() })).status, 200);
  await until("nothing is in flight", async () => (await inFlight()) === 0);
});

test("a message that is too large, and bytes that are no WebSocket, close the socket and nothing else", async () => {
  const large = await openDirect(acme);
  const code = closed(large);
  large.send("x".repeat(70_000));
  assert.equal(await code, 1009);
  const broken = await openDirect(acme);
  const end = closed(broken);
  (broken as unknown as { _socket: { write(bytes: Buffer): void } })._socket.write(Buffer.from([0xff, 0xff, 0xff]));
  assert.notEqual(await end, 1000);
  const fine = await openDirect(acme);
  assert.equal(await echo(fine, "fine"), "1: fine");
  fine.close();
});

test("a tenant has at most 200 streams, and the 201st says so", async () => {
  const streams: EventClient[] = [];
  for (let count = 0; count < 200; count++) streams.push(await direct(other));
  const refused = await direct(other);
  await until("the refusal has come", async () => refused.text !== "");
  assert.equal(refused.answer.statusCode, 429);
  assert.match(refused.text, /"code":"too-many-streams"/);
  const mine = await direct(acme);
  await mine.hear(1);
  for (const stream of [...streams, mine]) stream.close();
  await until("they are forgotten", async () => (await inFlight()) === 0, 30_000);
  const again = await direct(other);
  await again.hear(1);
  again.close();
});

test("a switch of releases ends the streams of the old slot, which drains; whoever comes again is taken to the new one", async () => {
  const [events, mine] = [await routed(), await direct(acme)];
  const [socket, own] = [await openRouted(), await openDirect(acme)];
  await events.hear(2);
  await mine.hear(2);
  const [code, ownCode] = [closed(socket), closed(own)];
  assert.equal(await isEmpty("a"), false);
  const switched = await cell.admin("/v1/slot", { body: { from: "a", to: "b" }, slot: "b" });
  assert.equal(switched.status, 200);
  await events.end();
  assert.match(events.text, /\n\nretry: \d+\n\n$/);
  assert.equal(await code, 1012);
  await mine.end();
  assert.equal(await ownCode, 1012);
  await until("the old slot is drained: no stream and no connection is left", () => isEmpty("a"), 30_000);
  const late = await direct(acme, "a");
  await until("the refusal has come", async () => late.text !== "");
  assert.deepEqual(
    [late.answer.statusCode, late.answer.headers["cellplane-slot"], late.answer.headers["cellplane-not-executed"]],
    [503, "b", "streams-ending"],
  );
  const again = await routed();
  await again.hear(2);
  assert.equal(await inFlight("b"), 1);
  again.close();
});

test("SIGTERM ends every stream at once, and the process goes in peace", async () => {
  const events = await direct(acme, "b");
  await events.hear(1);
  const socket = await openRouted();
  assert.equal(await echo(socket, "hello"), "1: hello");
  const code = closed(socket);
  const exit = cell.kill("api", "b", "SIGTERM");
  await events.end();
  assert.match(events.text, /\n\nretry: \d+\n\n$/);
  assert.equal(await code, 1012);
  assert.equal(await exit, 0);
});
