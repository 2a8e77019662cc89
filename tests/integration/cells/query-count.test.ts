import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import notes from "../../../examples/notes/app.ts";
import pulse from "../../../cells/pulse/app.ts";
import type { CellApp } from "../../../cells/kit/kit.ts";
import { createServer } from "../../../common/http/server.ts";
import { createLog } from "../../../common/log.ts";
import { CellUnderTest, type CallOptions, type TestTenant } from "./cell-under-test.ts";
import { StatementCounter } from "./statement-counter.ts";

// No N+1: how many statements a route sends does not depend on how much it answers or takes. They are counted where they enter the database.

/** BEGIN, the tenant, COMMIT, and the route's own; GitHub's hook has two transactions, one to know the secret and one to write. */
const mostStatements = 10;

interface Call {
  readonly path: string;
  readonly options?: CallOptions;
}
/** A route's request on a small and on a large amount of data. */
type Calls = Readonly<Record<string, (size: number) => Call>>;

/** `GET /v1/notes/:id` of all routes that an application declares. */
async function routesOf(app: CellApp, settings: Record<string, unknown>): Promise<string[]> {
  const server = createServer({ log: createLog("test", "silent", {}) });
  const routes: string[] = [];
  server.addHook("onRoute", ({ method, url }) => {
    for (const one of [method].flat()) if (one !== "HEAD" && one !== "OPTIONS") routes.push(`${one} ${url}`);
  });
  await server.register(async (scope) => app.routes(scope as typeof server, { settings } as never));
  await server.ready();
  await server.close();
  return routes.toSorted();
}

/** A cell with that application, whose tenants' statements pass a counter, and two tenants in it. */
async function withCell(
  folder: string,
  work: (cell: CellUnderTest, counter: StatementCounter, tenants: readonly [TestTenant, TestTenant]) => Promise<void>,
): Promise<void> {
  const cell = await CellUnderTest.start();
  const counter = await StatementCounter.before(cell.database.appUrl);
  try {
    const release = await cell.release(folder, "1");
    const tenants = [cell.addTenant("small"), cell.addTenant("large")] as const;
    await cell.migrate(release);
    await cell.startApi(release, "a", 60_000, { APP_DATABASE_URL: counter.url });
    for (const tenant of tenants) assert.equal((await cell.grant(tenant)).status, 200);
    await work(cell, counter, tenants);
  } finally {
    await cell.stop();
    await counter.close();
  }
}

/** Each route on little and on much: the same number of statements, and few. */
async function compare(
  cell: CellUnderTest,
  counter: StatementCounter,
  calls: Calls,
  [small, large]: readonly [TestTenant, TestTenant],
  much: number,
): Promise<void> {
  const counted: Record<string, [number, number]> = {};
  for (const [route, callOf] of Object.entries(calls)) {
    const counts: number[] = [];
    for (const [tenant, size] of [
      [small, 1],
      [large, much],
    ] as const) {
      const { path, options } = callOf(size);
      counts.push(
        await counter.during(async () => {
          const { status, body } = await cell.call(tenant, path, options);
          assert.ok(status >= 200 && status < 300, `${route}: ${status} ${JSON.stringify(body)}`);
        }),
      );
    }
    counted[route] = [counts[0] ?? 0, counts[1] ?? 0];
  }
  for (const [route, [few, many]] of Object.entries(counted)) {
    assert.equal(many, few, `${route}: ${few} statements for one, ${many} for ${much}`);
    assert.ok(many >= 2 && many <= mostStatements, `${route}: ${many} statements`);
  }
}

test("Pulse's routes send the same few statements however many events they take or answer", async () => {
  const at = new Date(Date.now() - 3_600_000).toISOString();
  const event = (index: number) => ({
    id: `e-${index}`,
    type: `t-${index % 20}`,
    user: `u-${index}`,
    at,
    value: index,
  });
  const secret = "a shared secret";
  const hookBody = JSON.stringify({ sender: { login: "octocat" } });
  const signature = `sha256=${createHmac("sha256", secret).update(hookBody).digest("hex")}`;
  const calls: Calls = {
    "POST /v1/events": (size) => ({
      path: "/v1/events",
      options: { body: { events: Array.from({ length: size }, (_, index) => event(index)) } },
    }),
    "GET /v1/events": () => ({ path: "/v1/events?limit=100" }),
    "GET /v1/events/:id": () => ({ path: "/v1/events/e-0" }),
    "GET /v1/stats": () => ({ path: "/v1/stats" }),
    "PUT /v1/hooks/github/secret": () => ({
      path: "/v1/hooks/github/secret",
      options: { method: "PUT", body: { secret } },
    }),
    "POST /v1/hooks/github": (size) => ({
      path: "/v1/hooks/github",
      options: {
        body: hookBody,
        principal: "anonymous",
        headers: {
          "x-github-event": "issues",
          "x-github-delivery": `d-${size}`,
          "x-hub-signature-256": signature,
        },
      },
    }),
  };
  assert.deepEqual(
    Object.keys(calls).toSorted(),
    await routesOf(pulse as unknown as CellApp, { PULSE_RETENTION_HOURS: 48 }),
  );
  await withCell("cells/pulse", (cell, counter, tenants) => compare(cell, counter, calls, tenants, 500));
});

test("the example's routes send the same few statements however many notes there are", async () => {
  const calls: Calls = {
    "PUT /v1/notes/:id": (size) => ({
      path: "/v1/notes/n-0",
      options: { method: "PUT", body: { text: "word ".repeat(size) } },
    }),
    "GET /v1/notes/:id": () => ({ path: "/v1/notes/n-0" }),
    "GET /v1/notes": () => ({ path: "/v1/notes?limit=100" }),
    "GET /v1/count": () => ({ path: "/v1/count" }),
  };
  assert.deepEqual(Object.keys(calls).toSorted(), await routesOf(notes, {}));
  await withCell("examples/notes", async (cell, counter, tenants) => {
    for (let index = 0; index < 120; index++) {
      const saved = await cell.call(tenants[1], `/v1/notes/n-${index}`, { method: "PUT", body: { text: "a note" } });
      assert.equal(saved.status, 200);
    }
    await compare(cell, counter, calls, tenants, 120);
  });
});
