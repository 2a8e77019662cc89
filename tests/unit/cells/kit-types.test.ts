import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Type,
  defineCellApp,
  defineJob,
  recordRollup,
  type Plugin,
  type QuantileSketch,
  type Server,
  type TenantContext,
  type Transaction,
} from "../../../cells/kit/kit.ts";

// Compiled by `npm run check`: a line below @ts-expect-error that compiles after all fails it. The functions are never called; what they would do
// needs a cell.

const resize = defineJob({
  name: "resize",
  version: 1,
  payload: Type.Object({ image: Type.String(), width: Type.Integer() }),
  async run(payload, { tx, settings }: { tx: Transaction; settings: unknown }) {
    const width: number = payload.width;
    // @ts-expect-error: the payload has no such member
    const height: unknown = payload.height;
    await tx.query("SELECT $1, $2, $3", [width, height, settings]);
  },
});

async function payloads(tenant: TenantContext, tx: Transaction): Promise<void> {
  await tenant.queue.add(tx, resize, { image: "a", width: 1 });
  // @ts-expect-error: a member is missing
  await tenant.queue.add(tx, resize, { image: "a" });
  // @ts-expect-error: a width is a number
  await tenant.queue.add(tx, resize, { image: "a", width: "1" });
  // @ts-expect-error: no such member
  await tenant.queue.add(tx, resize, { image: "a", width: 1, height: 2 });
}

const body = Type.Object({ name: Type.String(), tags: Type.Optional(Type.Array(Type.String())) });
const query = Type.Object({ limit: Type.Integer() });
const answer = Type.Object({ id: Type.String() });

async function routes(server: Server): Promise<void> {
  server.post("/a", { schema: { body, querystring: query, response: { 201: answer } } }, async (request, reply) => {
    const name: string = request.body.name;
    const tags: string[] | undefined = request.body.tags;
    const limit: number = request.query.limit;
    // @ts-expect-error: the body has no such member
    const other: unknown = request.body.other;
    // @ts-expect-error: the answer's id is a text
    void reply.code(201).send({ id: 1 });
    return reply.code(201).send({ id: `${name} ${tags?.length} ${limit} ${String(other)}` });
  });
  // An ordinary plugin of Fastify keeps the types, whether written here or elsewhere.
  await server.register(async (scope) => {
    scope.get("/b", { schema: { querystring: query } }, async (request) => {
      const limit: number = request.query.limit;
      // @ts-expect-error: the query has no such member
      return { limit, tenant: request.tenant.id, other: request.query.other as unknown };
    });
  });
  await server.register(plugin);
}

const plugin: Plugin = async (scope) => {
  scope.get("/c", { schema: { params: Type.Object({ id: Type.String() }) } }, async (request) => {
    const id: string = request.params.id;
    // @ts-expect-error: the address has no such part
    return { id, other: request.params.other as unknown };
  });
};

async function rollups(tx: Transaction, sketch: QuantileSketch): Promise<void> {
  const bucket = new Date(0);
  await recordRollup(tx, "images", "sum", [{ bucket, value: 1 }]);
  await recordRollup(tx, "widths", "quantiles", [{ bucket, value: sketch }]);
  // @ts-expect-error: a sum is a number
  await recordRollup(tx, "images", "sum", [{ bucket, value: sketch }]);
  // @ts-expect-error: quantiles are merged as sketches
  await recordRollup(tx, "widths", "quantiles", [{ bucket, value: 1 }]);
  // @ts-expect-error: averages cannot be merged
  await recordRollup(tx, "widths", "average", [{ bucket, value: 1 }]);
}

const Settings = Type.Object({ WIDTH: Type.Integer({ default: 640 }) });

const app = defineCellApp({
  name: "images",
  settings: Settings,
  migrations: { needs: 1 },
  async routes(server, { settings }) {
    const width: number = settings.WIDTH;
    // @ts-expect-error: no such setting
    server.get("/width", async () => ({ width, height: settings.HEIGHT as unknown }));
    await routes(server);
  },
  jobs: [resize],
  aggregates: {
    images: { merge: "sum", query: async () => 1 },
    smallest: { merge: "min", query: async () => null },
    viewers: { merge: "distinct", query: async () => 3 },
    // @ts-expect-error: a sum is a number
    wrong: { merge: "sum", query: async () => "1" },
  },
  journey: [{ name: "read", method: "GET", path: "/width", expect: 200 }],
});

defineCellApp({
  name: "images",
  migrations: { needs: 1 },
  routes: async () => undefined,
  // @ts-expect-error: journeys send what HTTP has methods for
  journey: [{ name: "read", method: "LOOK", path: "/", expect: 200 }],
});

test("an application needs a name, routes and migrations, and has nothing undefined in the end", () => {
  const small = defineCellApp({ name: "small", migrations: { needs: 1 }, routes: async () => undefined });
  assert.deepEqual([small.jobs, small.aggregates, small.settings.properties], [[], {}, {}]);
  assert.deepEqual(Object.keys(app.aggregates), ["images", "smallest", "viewers", "wrong"]);
  assert.ok([payloads, routes, rollups].every((sample) => typeof sample === "function"));
});

test("a name that no release, address or command could bear is refused", () => {
  for (const name of ["", "My App", "a@1", "-a", "a".repeat(41)]) {
    const define = () => defineCellApp({ name, migrations: { needs: 1 }, routes: async () => undefined });
    assert.throws(define, /is no name/, name);
  }
  const aggregates = { "Active Users": { merge: "sum" as const, query: async () => 1 } };
  assert.throws(
    () => defineCellApp({ name: "a", migrations: { needs: 1 }, routes: async () => undefined, aggregates }),
    /"Active Users" is no name/,
  );
});
