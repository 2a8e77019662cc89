import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect } from "../../../common/postgres/pool.ts";
import { ask } from "../router/client.ts";
import { CellUnderTest, type TestTenant } from "./cell-under-test.ts";
import type { Answer } from "./http-call.ts";
import { routerBefore, type RouterBeforeCell } from "./router-before-cell.ts";

// What the kit does to answers: pages, entity tags, conditions; the cache that they may come from.
let cell: CellUnderTest;
let acme: TestTenant;
let router: RouterBeforeCell;

before(async () => {
  cell = await CellUnderTest.start();
  const release = await cell.release("cells/pulse", "1");
  acme = cell.addTenant("acme");
  await cell.migrate(release);
  await cell.startApi(release, "a", 60_000);
  assert.equal((await cell.grant(acme)).status, 200);
  router = await routerBefore(cell, acme);
});
after(async () => {
  await (router as RouterBeforeCell | undefined)?.stop();
  await cell.stop();
});

interface Listed {
  readonly events: readonly { readonly id: string; readonly at: string; readonly value: number | null }[];
  readonly nextCursor: string | null;
}

async function list(query = ""): Promise<Listed> {
  const answer = await cell.call(acme, `/v1/events?${query}`);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body as unknown as Listed;
}

/** Reads a list from its first page to its last. */
async function walk(query: string, betweenPages: (page: number) => Promise<void> = async () => {}): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  for (let page = 1; page < 1_000; page++) {
    const listed = await list(`${query}${cursor === null ? "" : `&cursor=${cursor}`}`);
    ids.push(...listed.events.map(({ id }) => id));
    if (listed.nextCursor === null) return ids;
    cursor = listed.nextCursor;
    await betweenPages(page);
  }
  throw new Error("the list has no end");
}

const moment = (minute: number): string => new Date(Date.UTC(2026, 2, 1, 0, minute)).toISOString();
const post = (events: readonly { readonly id: string; readonly at: string }[]): Promise<Answer> =>
  cell.call(acme, "/v1/events", { body: { events: events.map((event) => ({ type: "t", user: "u", ...event })) } });

test("events are read page by page, each once, newest first; many of one moment by their ids", async () => {
  // Forty in one moment, then sixty in twenty moments.
  const events = Array.from({ length: 100 }, (_, index) => ({
    id: `e${String(index).padStart(3, "0")}`,
    at: moment(index < 40 ? 0 : 1 + (index % 20)),
  }));
  assert.equal((await post(events)).status, 202);
  const newest = events
    .toSorted((a, b) => (a.at === b.at ? (a.id < b.id ? 1 : -1) : a.at < b.at ? 1 : -1))
    .map(({ id }) => id);
  for (const limit of [1, 7, 40, 99, 100, 101]) assert.deepEqual(await walk(`limit=${limit}`), newest, `by ${limit}`);
  assert.deepEqual(await walk("limit=9&order=oldest"), newest.toReversed());
  assert.equal((await list()).events.length, 50);
  const chosen = `from=${moment(5)}&to=${moment(8)}`;
  const within = events.filter(({ at }) => at >= moment(5) && at < moment(8)).map(({ id }) => id);
  assert.deepEqual((await walk(`limit=2&${chosen}`)).toSorted(), within.toSorted());
});

test("what comes while a list is read moves no row of it, and is not missed where it belongs behind", async () => {
  const before = await walk("limit=10");
  const seen = await walk("limit=10", async (page) => {
    if (page === 3)
      await post([
        { id: "came-before", at: moment(59) },
        { id: "came-behind", at: new Date(Date.UTC(2026, 1, 1)).toISOString() },
      ]);
  });
  assert.deepEqual(seen, [...before, "came-behind"]);
});

test("a cursor goes on with the list and the filters that it comes from, and with nothing else", async () => {
  const { nextCursor } = await list("limit=5");
  for (const query of [`order=oldest&cursor=${nextCursor}`, `from=${moment(1)}&cursor=${nextCursor}`]) {
    const answer = await cell.call(acme, `/v1/events?${query}`);
    assert.deepEqual([answer.status, answer.body["code"]], [400, "cursor-refused"], query);
  }
  // The size of the pages may change on the way.
  assert.equal((await list(`limit=3&cursor=${nextCursor}`)).events.length, 3);
});

test("both orders run along an index, whatever the size of the table", async () => {
  const client = await connect(cell.database.appUrl, "test");
  try {
    await cell.sql("ANALYZE events");
    await client.query(
      `BEGIN; SELECT cellplane.enter('${acme.id}', 1); SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off`,
    );
    for (const [comparison, order] of [
      ["<", "at DESC, id DESC"],
      [">", "at, id"],
    ]) {
      const plan = await client.query<{ "QUERY PLAN": string }>(
        `EXPLAIN SELECT id FROM events WHERE at >= '-infinity' AND (at, id) ${comparison} ('${moment(10)}'::timestamptz, 'x') ORDER BY ${order} LIMIT 50`,
      );
      const text = plan.rows.map((row) => row["QUERY PLAN"]).join("\n");
      assert.match(text, /Incremental Sort[\s\S]+Presorted Key: at[\s\S]+Index Scan.* using events_at/, text);
    }
  } finally {
    await client.end();
  }
});

test("one event is read by its id, any text", async () => {
  const id = "ünï/côde?#%🙂".repeat(10);
  await post([{ id, at: moment(3) }]);
  const answer = await cell.call(acme, `/v1/events/${encodeURIComponent(id)}`);
  assert.deepEqual([answer.status, answer.body["id"], answer.body["value"]], [200, id, null]);
  assert.equal((await cell.call(acme, `/v1/events/${"x".repeat(201)}`)).status, 400);
  assert.equal((await cell.call(acme, "/v1/events/%00")).body["code"], "text-not-well-formed");
});

test("a JSON answer bears a strong tag of its bytes; whoever has it gets 304, at the cell and through the router", async () => {
  const routed = async (path: string, headers: Record<string, string> = {}) =>
    ask(router.port, { path, headers: { ...router.headers, ...headers } });
  const first = await routed("/v1/events?limit=5");
  const tag = String(first.headers.etag);
  assert.match(tag, /^"[\w-]{24}"$/);
  assert.equal(first.headers["cache-control"], "private, no-cache");
  assert.equal((await routed("/v1/events?limit=5")).headers.etag, tag);
  assert.notEqual((await routed("/v1/events?limit=6")).headers.etag, tag);
  for (const known of [tag, `W/${tag}`, `"other", ${tag}`, "*"]) {
    const { status, text, headers } = await routed("/v1/events?limit=5", { "if-none-match": known });
    assert.deepEqual([status, text, headers.etag, headers["content-type"]], [304, "", tag, undefined], known);
  }
  for (const other of ['"other"', "", tag.slice(1), "garbage"])
    assert.equal((await routed("/v1/events?limit=5", { "if-none-match": other })).status, 200, other);
  const head = await ask(router.port, { path: "/v1/events?limit=5", method: "HEAD", headers: { ...router.headers } });
  assert.deepEqual(
    [head.status, head.headers.etag, head.headers["content-length"]],
    [200, tag, first.headers["content-length"]],
  );
  assert.equal((await routed("/v1/nowhere")).headers.etag, undefined);
});

test("stats bear a weak tag that changes with what is counted, and not with the moment of the answer", async () => {
  const path = `/v1/stats?from=${moment(0)}&to=${moment(60)}`;
  const first = await cell.call(acme, path);
  const tag = first.headers.get("etag") ?? "";
  assert.match(tag, /^W\/"/);
  const again = await cell.call(acme, path);
  assert.notEqual(again.body["asOf"], first.body["asOf"]);
  assert.equal(again.headers.get("etag"), tag);
  assert.equal((await cell.call(acme, path, { headers: { "if-none-match": tag } })).status, 304);
  await post([{ id: "one more", at: moment(2) }]);
  const changed = await cell.call(acme, path, { headers: { "if-none-match": tag } });
  assert.equal(changed.status, 200);
  assert.notEqual(changed.headers.get("etag"), tag);
});

test("the router's limits are told in its fields, and stand before the cell", async () => {
  const limits = { requestsPerSecond: 5, inFlight: 50, bodyBytes: 10_000 };
  const strict = await routerBefore(cell, acme, { limits });
  try {
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => ask(strict.port, { path: "/v1/stats", headers: { ...strict.headers } })),
    );
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length > 0 && refused.length < 20, `${refused.length} of 20 were refused`);
    for (const { headers, json } of refused) {
      assert.equal(headers["ratelimit-policy"], '"tenant";q=5;w=1');
      assert.match(String(headers["ratelimit"]), /^"tenant";r=0;t=\d+$/);
      assert.match(String(headers["retry-after"]), /^\d+$/);
      assert.equal(json["code"], "rate-limited");
    }
  } finally {
    await strict.stop();
  }
});
