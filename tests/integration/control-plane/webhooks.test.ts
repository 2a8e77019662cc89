import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import test, { after, before } from "node:test";
import Value from "typebox/value";
import type { Rollout } from "../../../common/contracts/rollout.ts";
import {
  RolloutStateChanged,
  type AddedWebhook,
  type WebhookDelivery,
  type WebhookList,
} from "../../../common/contracts/webhooks.ts";
import { createRegistry } from "../../../control-plane/registry/registry.ts";
import { freePort } from "../../support/ports.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { manifestOf, startTestCell, startTestPlane, uploadRelease, type TestCell, type TestPlane } from "./support.ts";

interface Received {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

let postgres: TestPostgres;
let plane: TestPlane;
let cell: TestCell;
let receiver: Server;
let base: string;
const received: Received[] = [];
/** What the receiver answers at a path: statuses in turn, the last one for ever. */
const answersAt = new Map<string, number[]>();

before(async () => {
  receiver = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      const path = request.url ?? "/";
      received.push({ path, headers: request.headers as Record<string, string>, body });
      const statuses = answersAt.get(path) ?? [200];
      const status = (statuses.length > 1 ? statuses.shift() : statuses[0]) ?? 200;
      response.writeHead(status, { location: `${base}/elsewhere` }).end();
    });
  });
  receiver.listen(0, "127.0.0.1");
  await once(receiver, "listening");
  base = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  postgres = await startPostgres();
  plane = await startTestPlane(postgres, {
    temporal: `127.0.0.1:${await freePort()}`,
    webhookPauses: [0.05, 0.05, 0.05],
  });
  for (const name of ["pulse@1", "pulse@2"]) await uploadRelease(plane, manifestOf(name));
  cell = await startTestCell("cell-1", "eu", () => plane.key);
  await plane.call("POST", "/v1/cells", cell.registration);
});

after(async () => {
  await plane?.stop();
  await cell?.stop();
  await postgres?.stop();
  receiver.closeAllConnections();
  receiver.close();
});

async function add(path: string): Promise<AddedWebhook> {
  const { status, body } = await plane.call("POST", "/v1/webhooks", { url: `${base}${path}` });
  assert.equal(status, 201, JSON.stringify(body));
  return body as unknown as AddedWebhook;
}

const at = (path: string): Received[] => received.filter((one) => one.path === path);

async function until<T>(read: () => Promise<T> | T, wanted: (value: T) => boolean): Promise<T> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const value = await read();
    if (wanted(value)) return value;
    assert.ok(performance.now() < deadline, JSON.stringify(value));
    await sleep(30);
  }
}

const deliveries = async (id: string): Promise<WebhookDelivery[]> =>
  (await plane.call("GET", `/v1/webhooks/${id}/deliveries`)).body["deliveries"] as WebhookDelivery[];

/** Checks a message as a receiver would: by what it was given when it was added, and by nothing of ours. */
function verified({ headers, body }: Received, secret: string): RolloutStateChanged {
  const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature } = headers;
  const expected = createHmac("sha256", Buffer.from(secret.replace("whsec_", ""), "base64"));
  assert.equal(signature, `v1,${expected.update(`${id}.${timestamp}.${body}`).digest("base64")}`);
  assert.ok(Math.abs(Date.now() / 1_000 - Number(timestamp)) < 60);
  const message: unknown = JSON.parse(body);
  assert.ok(Value.Check(RolloutStateChanged, message), body);
  return message;
}

let rollout: Rollout;

test("every change of a rollout's state is told, signed, also those that came between two records", async () => {
  const { id, secret } = await add("/good");
  const { body } = await plane.call("POST", "/v1/rollouts", { release: "pulse@2", reason: "a trial" });
  rollout = body as unknown as Rollout;
  const [first] = await until(
    () => at("/good"),
    ({ length }) => length === 1,
  );
  assert.ok(first !== undefined);
  const planned = verified(first, secret);
  assert.deepEqual(
    [planned.data.rollout, planned.data.to.state, planned.data.actor, planned.data.reason],
    [rollout.id, "planned", "operator", "a trial"],
  );

  const entry = (event: string, state: Rollout["state"]) => ({
    at: new Date().toISOString(),
    event,
    wave: 1,
    cell: null,
    actor: "rollout",
    reason: null,
    standing: { state, waitingFor: null, paused: false, stopped: false },
  });
  const registry = createRegistry(plane.context.pool);
  const history = [...rollout.history, entry("began", "deploying"), entry("wave-deployed", "verifying")];
  rollout = { ...rollout, state: "verifying", revision: 7, history };
  await registry.saveRollout(rollout);
  await registry.saveRollout(rollout);
  await registry.saveRollout({ ...rollout, revision: 8, reason: "nothing of its state" });
  const all = (
    await until(
      () => at("/good"),
      ({ length }) => length === 3,
    )
  ).map((one) => verified(one, secret));
  assert.deepEqual(all.map(({ data }) => `${data.sequence} ${data.to.state}`).toSorted(), [
    "0 planned",
    "1 deploying",
    "2 verifying",
  ]);
  await until(
    () => deliveries(id),
    (told) => told.every(({ deliveredAt }) => deliveredAt !== null),
  );
  assert.equal(new Set(at("/good").map(({ headers }) => headers["webhook-id"])).size, 3);
});

test("what was not written is not told: message and state are one transaction", async () => {
  const before = at("/good").length;
  const { rows } = await plane.context.pool.query<{ count: number }>(
    "SELECT count(*)::int AS count FROM webhook_messages",
  );
  const broken = { ...rollout, revision: 9, state: "baking" as const, release: "pulse@9" as Rollout["release"] };
  await plane.context.pool.query("ALTER TABLE rollouts ADD CONSTRAINT broken CHECK (revision < 9) NOT VALID");
  await assert.rejects(createRegistry(plane.context.pool).saveRollout(broken));
  await plane.context.pool.query("ALTER TABLE rollouts DROP CONSTRAINT broken");
  const later = await plane.context.pool.query<{ count: number }>(
    "SELECT count(*)::int AS count FROM webhook_messages",
  );
  assert.deepEqual(later.rows, rows);
  assert.equal(at("/good").length, before);
});

test("a receiver that fails is tried again with the same id, a bounded number of times; one that says it is gone is left alone", async () => {
  answersAt.set("/shaky", [500, 503, 200]);
  answersAt.set("/broken", [500]);
  answersAt.set("/gone", [410]);
  answersAt.set("/moved", [307]);
  const [shaky, broken, gone, moved] = await Promise.all(["/shaky", "/broken", "/gone", "/moved"].map(add));
  await plane.call("POST", `/v1/rollouts/${rollout.id}/commands`, { command: "cancel", reason: "not today" });

  const idsAt = (path: string) => new Set(at(path).map(({ headers }) => headers["webhook-id"]));
  const settled = (told: WebhookDelivery[]): boolean => told.length === 1 && told[0]?.nextAt === null;
  const [delivered] = await until(() => deliveries(shaky?.id ?? ""), settled);
  assert.deepEqual([delivered?.tries, delivered?.status, delivered?.error], [3, 200, null]);
  assert.deepEqual([at("/shaky").length, idsAt("/shaky").size], [3, 1]);

  const [givenUp] = await until(() => deliveries(broken?.id ?? ""), settled);
  assert.deepEqual([givenUp?.tries, givenUp?.deliveredAt, givenUp?.error], [4, null, "answered 500"]);
  const [last] = await until(() => deliveries(gone?.id ?? ""), settled);
  assert.equal(last?.tries, 1);
  await until(() => deliveries(moved?.id ?? ""), settled);
  assert.equal(at("/elsewhere").length, 0, "no redirect is followed");

  const { webhooks } = (await plane.call("GET", "/v1/webhooks")).body as unknown as WebhookList;
  const states = webhooks.map(({ url, state, delivered: done, pending, failed, lastError }) =>
    [new URL(url).pathname, state, done, pending, failed, lastError].join(" "),
  );
  assert.deepEqual(states.toSorted(), [
    "/broken on 0 0 1 answered 500",
    "/gone off 0 0 1 answered 410",
    "/good on 4 0 0 ",
    "/moved on 0 0 1 answered 307: redirects are not followed",
    "/shaky on 1 0 0 ",
  ]);
  assert.ok(
    webhooks.every((one) => !("secret" in one)),
    "a secret is shown once",
  );
});

test("one message is sent at once when asked, and what became of it is said", async () => {
  const { id } = await add("/tested");
  const taken = await plane.call("POST", `/v1/webhooks/${id}/test`, {});
  assert.deepEqual(taken.body, { status: 200, error: null });
  assert.match(at("/tested")[0]?.body ?? "", /^\{"type":"webhook\.test",/);
  answersAt.set("/tested", [404]);
  assert.deepEqual((await plane.call("POST", `/v1/webhooks/${id}/test`, {})).body, {
    status: 404,
    error: "answered 404",
  });
  assert.equal((await plane.call("DELETE", `/v1/webhooks/${id}`)).status, 200);
  for (const path of [`/v1/webhooks/${id}/test`, `/v1/webhooks/${id}`]) {
    const { status, body } = await plane.call(
      path.endsWith("test") ? "POST" : "DELETE",
      path,
      path.endsWith("test") ? {} : undefined,
    );
    assert.deepEqual([status, body["code"]], [404, "unknown-webhook"]);
  }
  const { body } = await plane.call("GET", "/v1/audit?limit=20");
  const told = (body["entries"] as { action: string; target: string }[]).filter(({ target }) => target.startsWith(id));
  assert.deepEqual(
    told.map(({ action, target }) => `${action} ${target}`),
    [`webhook.remove ${id} (${base})`, `webhook.add ${id} (${base})`],
    "without the path, which may be a secret",
  );
});

test("attack 21: nobody is sent to metadata, to the fleet itself, in the open, or to an address that a name turned into since", async () => {
  const own = new URL(plane.url).origin;
  for (const url of [
    "http://169.254.169.254/latest/meta-data",
    "https://169.254.169.254/",
    "https://[fd00:ec2::254]/",
    "https://0.0.0.0/",
    `${own}/v1/rollouts`,
    `${cell.registration.slots.a.adminUrl}/v1/fence`,
    "ftp://example.org/",
    "https://name:password@example.org/",
    "no address",
  ]) {
    const { status, body } = await plane.call("POST", "/v1/webhooks", { url });
    assert.deepEqual([status, body["code"]], [422, "webhook-refused"], `${url}: ${JSON.stringify(body)}`);
  }
  // As if it had been added before the rule, or its name led elsewhere then.
  const { id } = await add("/rebound");
  for (const [url, error] of [
    ["http://169.254.169.254/", /forbidden/],
    ["http://[::ffff:169.254.169.254]/", /forbidden/],
  ] as const) {
    await plane.context.pool.query("UPDATE webhook_endpoints SET url = $2 WHERE id = $1", [id, url]);
    const { body } = await plane.call("POST", `/v1/webhooks/${id}/test`, {});
    assert.equal(body["status"], null);
    assert.match(String(body["error"]), error);
  }
});
