import { existsSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import {
  Type,
  defineCellApp,
  entityTag,
  errorsOf,
  oneOf,
  requireMatch,
  sendEvents,
  type Server,
} from "../../../../cells/kit/kit.ts";
import { addThing, addThingAt, readThing, renameThing, restInDatabase } from "./things.store.ts";

const thingError = errorsOf({
  "no-such-thing": { status: 404, title: "There is no such thing", todo: "Check the id." },
  "bad-name": { status: 400, title: "That is no name", todo: "Choose another." },
});

const behaviours = oneOf(["plain", "crash", "two-steps", "slow", "bad-name", "bad-later", "large", "date"] as const);
const NewThing = Type.Object({
  name: Type.String({ maxLength: 100 }),
  behaviour: Type.Optional(behaviours),
  /** A file that the test makes: while it is there, the first try does not come through. */
  flag: Type.Optional(Type.String()),
});
const Address = Type.Object({ id: Type.String({ format: "uuid" }) });

/** Whether the flag was raised; it is taken down. */
function raised(flag: string | undefined): boolean {
  if (flag === undefined || !existsSync(flag)) return false;
  rmSync(flag);
  return true;
}

/** An application of a test: what the kit's HTTP surface offers, each once. */
export default defineCellApp({
  name: "things",
  settings: Type.Object({}),
  migrations: { needs: 1 },
  async routes(server) {
    thingRoutes(server);
    streamRoutes(server);
    server.get("/v1/preview/:id", { config: { stateless: "random" } }, async () => ({ preview: true }));
    server.get("/v1/mistaken", { config: { stateless: { user: "X-User" } } }, async (request) => ({
      thing: await request.tenant.db.read((tx) => readThing(tx, "019a0000-0000-7000-8000-000000000000")),
    }));
    let computed = 0;
    server.get(
      "/v1/computed",
      { schema: { querystring: Type.Object({ key: Type.String(), ttl: Type.Optional(Type.String()) }) } },
      async (request) =>
        request.tenant.cache.fetch(request.query.key, Number(request.query.ttl ?? "60"), async () => {
          computed += 1;
          await sleep(100);
          return { computed };
        }),
    );
  },
  jobs: [],
  aggregates: {},
});

function thingRoutes(server: Server): void {
  server.post("/v1/things", { schema: { body: NewThing } }, async (request, reply) => {
    const { db } = request.tenant;
    const { name, behaviour = "plain", flag } = request.body;
    if (behaviour === "slow") while (flag !== undefined && existsSync(flag)) await sleep(20);
    if (behaviour === "bad-name") throw thingError("bad-name", name);
    if (behaviour === "date") {
      const { id, at } = await db.write((tx) => addThingAt(tx, name));
      if (raised(flag)) throw new Error("the answer was lost");
      return { id, year: at.getUTCFullYear() };
    }
    const thing = await db.write((tx) => addThing(tx, name));
    if (behaviour === "bad-later") throw thingError("bad-name", thing.id);
    if (behaviour === "crash" && raised(flag)) process.kill(process.pid, "SIGKILL");
    if (behaviour === "two-steps") {
      if (raised(flag)) throw new Error("between the steps");
      const second = await db.write((tx) => addThing(tx, `${name}, again`));
      return reply.code(201).send({ first: thing.id, second: second.id });
    }
    if (behaviour === "large") return { ...thing, padding: "x".repeat(70_000) };
    return reply.code(201).header("location", `/v1/things/${thing.id}`).send(thing);
  });
  server.post("/v1/careful", { config: { idempotency: "required" } }, async () => ({}));
  server.post("/v1/careless", { config: { idempotency: "off" } }, async (request) =>
    request.tenant.db.write((tx) => addThing(tx, "careless")),
  );
  server.post("/v1/open", { config: { auth: "none" } }, async () => ({}));
  server.get("/v1/things/:id", { schema: { params: Address } }, async (request, reply) => {
    const thing = await request.tenant.db.read((tx) => readThing(tx, request.params.id));
    if (thing === undefined) throw thingError("no-such-thing", "No thing bears that id.");
    reply.header("etag", entityTag(thing));
    return thing;
  });
  server.put(
    "/v1/things/:id",
    { schema: { params: Address, body: Type.Object({ name: Type.String() }) } },
    async (request, reply) => {
      const { id } = request.params;
      const { name } = request.body;
      const tag = await request.tenant.db.write(async (tx) => {
        const thing = await readThing(tx, id, true);
        requireMatch(request, thing === undefined ? null : entityTag(thing));
        await renameThing(tx, id, name);
        return entityTag({ id, name });
      });
      return reply.header("etag", tag).send({ id, name });
    },
  );
  server.post(
    "/v1/rest",
    { schema: { body: Type.Object({ inside: Type.Boolean(), seconds: Type.Number({ maximum: 20 }) }) } },
    async (request) => {
      const { inside, seconds } = request.body;
      await request.tenant.db.write(async (tx) => {
        await addThing(tx, "rested");
        await (inside ? restInDatabase(tx, seconds) : sleep(seconds * 1_000));
      });
      return {};
    },
  );
}

function streamRoutes(server: Server): void {
  server.get("/v1/ticks", async (request, reply) =>
    sendEvents(request, reply, async (stream) => {
      let tick = Number(stream.lastEventId ?? "0");
      do {
        tick += 1;
        await sleep(50);
      } while (await stream.send({ id: String(tick), event: "tick", data: { tick } }));
    }),
  );
  server.get("/v1/echo", { websocket: true }, (socket, request) => {
    socket.on("message", (message: Buffer) => {
      void request.tenant.db
        .read(async (tx) => tx.epoch)
        .then((epoch) => socket.send(`${epoch}: ${message.toString("utf8")}`));
    });
  });
}
