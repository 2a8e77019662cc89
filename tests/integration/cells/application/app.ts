import { setTimeout as sleep } from "node:timers/promises";
import { Type, defineCellApp, defineJob, oneOf, recordRollup } from "../../../../cells/kit/kit.ts";
import { hasNote, insertNote } from "./notes.store.ts";

const behaviours = oneOf(["write", "slow", "fail-once", "fail-always", "fail-request"] as const);

const note = defineJob({
  name: "note",
  version: 1,
  payload: Type.Object({ note: Type.String(), behaviour: behaviours }),
  maxTries: 2,
  async run(payload, { tx, attempt }) {
    await insertNote(tx, payload.note);
    if (payload.behaviour === "slow") await sleep(30);
    if (payload.behaviour === "fail-always" || (payload.behaviour === "fail-once" && attempt === 1))
      throw new Error("poison");
  },
});

const hourMs = 3_600_000;
const thisHour = (): Date => new Date(Math.floor(Date.now() / hourMs) * hourMs);

/** An application of a test, written as a stranger would write it. */
export default defineCellApp({
  name: "notes",
  settings: Type.Object({}),
  migrations: { needs: 1 },
  async routes(server) {
    server.post(
      "/v1/notes",
      {
        schema: {
          body: Type.Object(
            { note: Type.String(), times: Type.Integer({ minimum: 1 }), behaviour: behaviours },
            { additionalProperties: false },
          ),
        },
      },
      async (request, reply) => {
        const { times, behaviour } = request.body;
        await request.tenant.db.write(async (tx) => {
          for (let count = 0; count < times; count++)
            await request.tenant.queue.add(tx, note, { note: request.body.note, behaviour });
          if (behaviour === "fail-request") throw new Error("this request fails");
        });
        return reply.code(202).send({});
      },
    );
    server.get(
      "/v1/cached",
      { schema: { querystring: Type.Object({ store: Type.Optional(Type.String()) }) } },
      async (request) => {
        await request.tenant.cache.set("k", { a: 1 }, 60);
        if (request.query.store !== undefined) await request.tenant.db.read((tx) => tx.query("SELECT 1"));
        return { found: await request.tenant.cache.get("k") };
      },
    );
    // Two transactions of one request; between them it waits until somebody has written the note `go-on`.
    server.post(
      "/v1/two-steps",
      {
        schema: { body: Type.Object({ first: Type.String(), second: Type.String() }, { additionalProperties: false }) },
      },
      async (request, reply) => {
        const { db } = request.tenant;
        await db.write((tx) => insertNote(tx, request.body.first));
        while (!(await db.read((tx) => hasNote(tx, "go-on")))) await sleep(20);
        await db.write((tx) => insertNote(tx, request.body.second));
        return reply.code(201).send({});
      },
    );
    server.post(
      "/v1/slow",
      { schema: { body: Type.Object({ note: Type.String() }, { additionalProperties: false }) } },
      async (request, reply) => {
        await request.tenant.db.write(async (tx) => {
          await sleep(10);
          await insertNote(tx, request.body.note);
          await sleep(10);
        });
        return reply.code(201).send({});
      },
    );
    server.post("/v1/rollups", { schema: { body: Type.Object({ value: Type.Integer() }) } }, async (request, reply) => {
      await request.tenant.db.write((tx) =>
        recordRollup(tx, "things", "sum", [{ bucket: thisHour(), value: request.body.value }]),
      );
      return reply.code(204).send();
    });
  },
  jobs: [note],
  aggregates: {},
});
