import { setTimeout as sleep } from "node:timers/promises";
import { Type, defineCellApp, defineJob, oneOf } from "../../../../cells/kit/kit.ts";
import { endOwnConnection, failQuietly, insertEntry } from "./entries.store.ts";

const behaviours = oneOf(["write", "throw", "hang", "exit", "disconnect", "swallow"] as const);
const priorities = oneOf(["high", "normal", "low"] as const);
const closed = { additionalProperties: false };

/** Writes an entry, in the way it is told to. */
const work = defineJob({
  name: "work",
  version: 1,
  payload: Type.Object({ entry: Type.String(), behaviour: behaviours, milliseconds: Type.Integer() }, closed),
  maxTries: 3,
  async run(payload, { tx, attempt }) {
    await insertEntry(tx, payload.entry, attempt);
    if (payload.milliseconds > 0) await sleep(payload.milliseconds);
    switch (payload.behaviour) {
      case "write":
        return;
      case "throw":
        throw new Error("the order cannot be shipped", {
          cause: new TypeError("no such address", { cause: Object.assign(new Error("ENOENT"), { code: "ENOENT" }) }),
        });
      case "hang":
        return await Promise.race<never>([]);
      case "exit":
        process.exit(7);
      case "disconnect":
        return await endOwnConnection(tx);
      case "swallow":
        return await failQuietly(tx);
      default:
        throw new Error(`unknown behaviour ${String(payload.behaviour satisfies never)}`);
    }
  },
});

/** Like `work`, with as many tries as a job has by default. */
const entry = defineJob({
  name: "entry",
  version: 1,
  payload: Type.Object({ entry: Type.String() }, closed),
  async run(payload, { tx, attempt }) {
    await insertEntry(tx, payload.entry, attempt);
    await sleep(3);
  },
});

const Work = Type.Object(
  {
    entry: Type.String(),
    behaviour: Type.Optional(behaviours),
    milliseconds: Type.Optional(Type.Integer()),
    times: Type.Optional(Type.Integer({ minimum: 1 })),
    key: Type.Optional(Type.String()),
    priority: Type.Optional(priorities),
    delaySeconds: Type.Optional(Type.Number()),
    runAt: Type.Optional(Type.String({ format: "date-time" })),
  },
  closed,
);
const Plan = Type.Object(
  {
    name: Type.String(),
    entry: Type.String(),
    everySeconds: Type.Optional(Type.Number()),
    cron: Type.Optional(Type.String()),
    timeZone: Type.Optional(Type.String()),
  },
  closed,
);

/** An application of tests about jobs: whatever a job can do, on request. */
export default defineCellApp({
  name: "jobs",
  settings: Type.Object({}),
  migrations: { needs: 1 },
  async routes(server) {
    server.post("/v1/work", { schema: { body: Work } }, async (request, reply) => {
      const { times = 1, behaviour = "write", milliseconds = 0, runAt, ...options } = request.body;
      const ids = await request.tenant.db.write(async (tx) => {
        const added: (string | undefined)[] = [];
        const { entry: name, ...how } = options;
        const add = runAt === undefined ? how : { ...how, runAt: new Date(runAt) };
        for (let count = 0; count < times; count++)
          added.push(await request.tenant.queue.add(tx, work, { entry: name, behaviour, milliseconds }, add));
        return added;
      });
      return reply.code(202).send({ ids: ids.map((id) => id ?? null) });
    });
    server.post(
      "/v1/entries",
      { schema: { body: Type.Object({ entries: Type.Array(Type.String()) }, closed) } },
      async (request, reply) => {
        await request.tenant.db.write(async (tx) => {
          for (const name of request.body.entries) await request.tenant.queue.add(tx, entry, { entry: name });
        });
        return reply.code(202).send({});
      },
    );
    server.post("/v1/schedules", { schema: { body: Plan } }, async (request, reply) => {
      const { name, entry: told, cron, timeZone, everySeconds = 5 } = request.body;
      const rhythm = cron === undefined ? { everySeconds } : timeZone === undefined ? { cron } : { cron, timeZone };
      await request.tenant.db.write((tx) =>
        request.tenant.queue.schedule(tx, entry, { entry: told }, { name, ...rhythm }),
      );
      const schedules = await request.tenant.db.read((tx) => request.tenant.queue.schedules(tx));
      return reply.code(201).send({ schedules });
    });
    server.delete(
      "/v1/schedules/:name",
      { schema: { params: Type.Object({ name: Type.String() }) } },
      async (request) => ({
        removed: await request.tenant.db.write((tx) => request.tenant.queue.unschedule(tx, request.params.name)),
      }),
    );
  },
  jobs: [work, entry],
  aggregates: {},
});
