import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { uuidv7 } from "../../../common/uuid.ts";
import type { CellUnderTest, TestTenant } from "./cell-under-test.ts";
import { until } from "./http-call.ts";
import { outboxEmptied, workingCell } from "./working-cell.ts";

// Jobs on a real PostgreSQL, Redis and BullMQ, with each of them dying. The ledger is what clients were told (202), and the entries are what the jobs left:
// each acknowledged one is there exactly once.

let cell: CellUnderTest;
let release: string;
let tenants: TestTenant[];
let acme: TestTenant;
let other: TestTenant;

before(async () => {
  const working = await workingCell("tests/integration/cells/jobs-application", ["acme", "other", "third"]);
  ({ cell, release } = working);
  ({ acme, other } = working.tenants);
  tenants = [acme, other, working.tenants.third];
});
after(async () => cell.stop());

const work = async (tenant: TestTenant, body: Record<string, unknown>): Promise<string> => {
  const answer = await cell.call(tenant, "/v1/work", { body });
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  return (answer.body["ids"] as string[])[0] ?? "";
};
const countOf = async (entry: string): Promise<number> =>
  (await cell.sql("SELECT FROM entries WHERE entry = $1", [entry])).length;
const emptied = (timeoutMs?: number): Promise<void> => outboxEmptied(cell, undefined, timeoutMs);
const deadOf = (id: string) =>
  cell.sql("SELECT tries, crashes, error, errors FROM cellplane.dead_letters WHERE id = $1", [id]);
const commandRedis = async (...command: [string, ...string[]]): Promise<void> => {
  const redis = new Redis(cell.redis.url);
  await redis.call(...command);
  redis.disconnect();
};
/** Starts the worker again where it has died, as the supervisor does. */
const keepWorker = async (): Promise<void> => {
  const lives = await cell.admin("/v1/status", { role: "worker" }).then(
    () => true,
    () => false,
  );
  if (lives) return;
  await cell.kill("worker", "a");
  await cell.startWorker(release);
};

/** Clients that add jobs of every tenant until told to stop, and remember what they were told. */
class Load {
  readonly acknowledged: string[] = [];
  readonly answers = new Map<string, number>();
  #stopped = false;
  readonly #clients: Promise<void>[];

  constructor(pauseMs = 15) {
    this.#clients = tenants.map(async (tenant) => {
      while (!this.#stopped) {
        const entries = Array.from({ length: 4 }, () => uuidv7());
        const told = await cell.call(tenant, "/v1/entries", { body: { entries } }).then(
          ({ status }) => status,
          () => 0,
        );
        this.answers.set(String(told), (this.answers.get(String(told)) ?? 0) + 1);
        if (told === 202) this.acknowledged.push(...entries);
        await sleep(pauseMs);
      }
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
  }
}

/** Each acknowledged entry once, none twice, and no dead letter. */
async function exact(load: Load, allowed: readonly string[]): Promise<void> {
  await emptied(120_000);
  const found = await cell.sql<{ entry: string; count: number }>(
    "SELECT entry, count(*) AS count FROM entries GROUP BY entry",
  );
  const counts = new Map(found.map(({ entry, count }) => [entry, count]));
  assert.ok(load.acknowledged.length > 0);
  assert.deepEqual(
    load.acknowledged.filter((entry) => counts.get(entry) !== 1),
    [],
    "each acknowledged job took effect exactly once",
  );
  assert.deepEqual(await cell.sql("SELECT job, error FROM cellplane.dead_letters WHERE job = 'entry'"), []);
  assert.deepEqual(
    [...load.answers.keys()].filter((status) => !allowed.includes(status)),
    [],
    `answers: ${JSON.stringify([...load.answers])}`,
  );
}

test("fault 5: a worker that is killed in a job loses nothing and does nothing twice, and its restart does it within a minute", async () => {
  // Two that take long are surely at work when one of the short ones is done.
  for (let count = 0; count < 12; count++) await work(acme, { entry: "killed", milliseconds: count < 2 ? 2_000 : 50 });
  const atWork = () => cell.sql("SELECT FROM cellplane.outbox WHERE started_at IS NOT NULL");
  await until("it is at work", async () => (await countOf("killed")) > 0 && (await atWork()).length > 0);
  await cell.kill("worker", "a", "SIGKILL");
  const interrupted = await atWork();
  await cell.startWorker(release);
  assert.ok(interrupted.length > 0, "it died in a job");
  await emptied();
  assert.equal(await countOf("killed"), 12);
  const again = await cell.sql("SELECT FROM entries WHERE entry = 'killed' AND attempt = 2");
  assert.equal(again.length, interrupted.length, "the interrupted tries counted");
});

test("fault 10: with Redis killed under load no client sees an error and no job is lost", async () => {
  const load = new Load();
  await sleep(500);
  cell.crash("redis");
  await sleep(1_500);
  await cell.restartRedis();
  await sleep(1_000);
  await load.stop();
  await exact(load, ["202"]);
});

test("fault 11: FLUSHALL under load loses no job and doubles none, and they are done within a minute", async () => {
  const load = new Load();
  for (let count = 0; count < 5; count++) {
    await sleep(300);
    await commandRedis("FLUSHALL");
  }
  await load.stop();
  await exact(load, ["202"]);
});

test("fault 12: with Redis full writes go on, the backlog and its age are told, and the jobs are done when there is room", async () => {
  await commandRedis("CONFIG", "SET", "maxmemory", "1");
  const load = new Load();
  await sleep(2_000);
  await load.stop();
  const { body } = await cell.admin("/v1/status");
  const queue = body["queue"] as { outbox: number; oldestSeconds: number };
  assert.ok(queue.outbox > load.acknowledged.length / 2, `the backlog is told: ${JSON.stringify(queue)}`);
  await until("its age is told", async () => {
    const now = (await cell.admin("/v1/status")).body["queue"] as { oldestSeconds: number };
    return now.oldestSeconds > 1;
  });
  // Older than a minute is an alarm; nobody waits for it here.
  await cell.sql("UPDATE cellplane.outbox SET run_at = run_at - interval '2 minutes'", [], cell.database.systemUrl);
  const late = await cell.admin("/v1/status");
  const codes = (late.body["alarms"] as { code: string }[]).map(({ code }) => code);
  assert.ok(codes.includes("jobs-late"), JSON.stringify(late.body));
  await commandRedis("CONFIG", "SET", "maxmemory", "0");
  await exact(load, ["202"]);
});

test("fault 12: beyond the outbox's bound, and only there, a new job is 503, until a tenth of it is done", async () => {
  await cell.kill("api", "a", "SIGTERM");
  await cell.startApi(release, "a", 15_000, { OUTBOX_TENANT_JOBS: "20" });
  await commandRedis("CONFIG", "SET", "maxmemory", "1");
  await work(acme, { entry: "bounded", times: 25 });
  const add = () => cell.call(acme, "/v1/work", { body: { entry: "bounded" } });
  await until("it is full", async () => (await add()).status === 503);
  const refused = await add();
  assert.deepEqual(
    [refused.body["code"], refused.headers.get("retry-after"), refused.headers.get("cellplane-not-executed")],
    ["outbox-full", "10", "outbox-full"],
  );
  assert.equal((await cell.call(other, "/v1/work", { body: { entry: "elsewhere" } })).status, 202, "others go on");
  const { alarms } = (await cell.admin("/v1/status")).body as unknown as { alarms: { code: string }[] };
  assert.ok(alarms.some(({ code }) => code === "outbox-full"));
  await commandRedis("CONFIG", "SET", "maxmemory", "0");
  await emptied();
  await until("it takes jobs again", async () => (await add()).status === 202);
  await cell.kill("api", "a", "SIGTERM");
  await cell.startApi(release);
});

test("fault 23: a job that throws is tried a bounded number of times and then dead, with its payload, its causes and tries", async () => {
  const id = await work(acme, { entry: "thrown", behaviour: "throw" });
  await until("it is dead", async () => (await deadOf(id)).length === 1, 60_000);
  const letter = await cell.admin(`/v1/tenants/${acme.id}/jobs/${id}`);
  const { tries, crashes, payload, errors } = letter.body as {
    tries: number;
    crashes: number;
    payload: unknown;
    errors: { name: string; message: string; code?: string; stack: string[] }[];
  };
  assert.deepEqual([tries, crashes], [3, 0]);
  assert.deepEqual(payload, { entry: "thrown", behaviour: "throw", milliseconds: 0 });
  assert.deepEqual(
    errors.map(({ name, message, code }) => [name, message, code]),
    [
      ["Error", "the order cannot be shipped", undefined],
      ["TypeError", "no such address", undefined],
      ["Error", "ENOENT", "ENOENT"],
    ],
  );
  assert.ok(errors.every(({ stack }) => stack.length > 0 && stack.length <= 6));
  assert.equal(await countOf("thrown"), 0, "its tries left nothing behind");
});

test("fault 23: a job that hangs is cut off after 5 s, tried a bounded number of times, and dead", async () => {
  const id = await work(acme, { entry: "hung", behaviour: "hang" });
  await work(other, { entry: "beside", times: 20 });
  await until("others are served", async () => (await countOf("beside")) === 20, 30_000);
  await until("it is dead", async () => (await deadOf(id)).length === 1, 60_000);
  const [dead] = await deadOf(id);
  assert.deepEqual(
    [dead?.["tries"], (dead?.["errors"] as { name: string }[] | undefined)?.[0]?.name],
    [3, "JobTimedOut"],
  );
  assert.equal(await countOf("hung"), 0);
});

test("fault 23: a job that ends the process is dead after three tries, and the jobs beside it are not", async () => {
  const id = await work(acme, { entry: "exits", behaviour: "exit", milliseconds: 300 });
  for (let count = 0; count < 6; count++) await work(other, { entry: "innocent", milliseconds: 900 });
  await until(
    "it is dead",
    async () => {
      await keepWorker();
      return (await deadOf(id)).length === 1;
    },
    180_000,
  );
  await emptied();
  const [dead] = await deadOf(id);
  assert.deepEqual(
    [dead?.["crashes"], (dead?.["errors"] as { name: string }[] | undefined)?.[0]?.name],
    [3, "JobInterrupted"],
  );
  assert.deepEqual([await countOf("exits"), await countOf("innocent")], [0, 6]);
  const beside = await cell.sql("SELECT FROM entries WHERE entry = 'innocent' AND attempt > 1");
  assert.ok(beside.length > 0, "some were cut off with it");
});

test("fault 23: a job that ends its own connection, or keeps an error of the database quiet, uses its tries up too", async () => {
  const cut = await work(acme, { entry: "cut", behaviour: "disconnect" });
  const quiet = await work(acme, { entry: "quiet", behaviour: "swallow" });
  for (const id of [cut, quiet]) await until("it is dead", async () => (await deadOf(id)).length === 1, 60_000);
  assert.deepEqual(
    [
      (await deadOf(cut))[0]?.["tries"],
      (await deadOf(quiet))[0]?.["tries"],
      await countOf("cut"),
      await countOf("quiet"),
    ],
    [3, 3, 0, 0],
  );
  assert.match(String((await deadOf(quiet))[0]?.["error"]), /nothing was committed/);
});

test("fault 5: with worker, Redis and PostgreSQL killed at random moments under load, each acknowledged job takes effect exactly once", async () => {
  const load = new Load();
  const some = (): number => 200 + Math.random() * 600;
  const faults = [
    async () => {
      await cell.kill("worker", "a", "SIGKILL");
      await sleep(some());
      await cell.startWorker(release);
    },
    async () => {
      cell.crash("redis");
      await sleep(some());
      await cell.restartRedis();
    },
    async () => {
      cell.crash("postgres");
      await sleep(some());
      await cell.restartPostgres();
    },
    async () => commandRedis("FLUSHALL"),
  ];
  for (let round = 0; round < 3; round++) {
    for (const fault of faults.toSorted(() => Math.random() - 0.5)) {
      await sleep(some());
      await fault();
    }
  }
  await sleep(500);
  await load.stop();
  // Without its database a cell is a clear 503; never anything else.
  await exact(load, ["202", "503"]);
});
