import assert from "node:assert/strict";
import test from "node:test";
import Type from "typebox";
import Value from "typebox/value";
import type { Redis } from "../../../common/redis/client.ts";
import { tenantId } from "../../../common/ids.ts";
import { CacheStore } from "../../../cells/kit/cache.ts";
import { closed } from "../../../cells/kit/http/closed-schemas.ts";
import { entityTag } from "../../../cells/kit/http/entity-tags.ts";
import { definePages } from "../../../cells/kit/http/pages.ts";
import { keyIn } from "../../../cells/kit/idempotency/request.ts";

test("a schema is closed wherever it lists members, and nowhere else", () => {
  const inner = Type.Object({ a: Type.Optional(Type.String()) });
  const accepts = (schema: Parameters<typeof closed>[0], value: unknown): boolean => Value.Check(closed(schema), value);
  assert.ok(!accepts(inner, { b: 1 }));
  assert.ok(!accepts(Type.Array(inner), [{ b: 1 }]));
  assert.ok(!accepts(Type.Object({ x: inner }), { x: { b: 1 } }));
  assert.ok(!accepts(Type.Union([inner, Type.String()]), { b: 1 }));
  assert.ok(!accepts(Type.Tuple([inner]), [{ b: 1 }]));
  assert.ok(!accepts(Type.Record(Type.String(), inner), { x: { b: 1 } }));
  const both = Type.Intersect([inner, Type.Object({ b: Type.Optional(Type.Number()) })]);
  assert.ok(accepts(both, { a: "", b: 1 }));
  assert.ok(!accepts(both, { a: "", b: 1, c: 1 }));
  assert.ok(accepts(Type.Object({ a: Type.String() }, { additionalProperties: true }), { a: "", b: 1 }));
  assert.ok(accepts(Type.Record(Type.String(), Type.Unknown()), { anything: { at: "all" } }));
  assert.equal(
    (inner as { additionalProperties?: unknown }).additionalProperties,
    undefined,
    "the given one is left alone",
  );
});

test("a cursor goes round: of the last row of a full page, and of none where the list ends", () => {
  const pages = definePages({ list: "things", key: Type.Tuple([Type.String(), Type.Integer()]), usual: 2, most: 10 });
  const rows = ["a", "b", "c"].map((name, index) => ({ name, index }));
  const keyOf = (row: (typeof rows)[number]): [string, number] => [row.name, row.index];
  const first = pages.of({});
  assert.deepEqual([first.after, first.read], [null, 3]);
  const page = first.page(rows, keyOf);
  assert.deepEqual(page.items, rows.slice(0, 2));
  const cursor = page.nextCursor ?? "";
  assert.match(cursor, /^[\w-]+$/);
  assert.deepEqual(pages.of({ cursor }).after, ["b", 1]);
  assert.equal(pages.of({ cursor, limit: "10" }).read, 11);
  assert.equal(first.page(rows.slice(0, 2), keyOf).nextCursor, null);
  assert.equal(first.page([], keyOf).nextCursor, null);
  const refused = { code: "cursor-refused" };
  assert.throws(() => pages.of({ cursor }, { kind: "other" }), refused);
  const others = definePages({ list: "others", key: Type.Tuple([Type.String(), Type.Integer()]), usual: 2, most: 10 });
  assert.throws(() => others.of({ cursor }), refused);
  for (const made of [
    "garbage",
    "",
    Buffer.from("[1]").toString("base64url"),
    Buffer.from("null").toString("base64url"),
  ])
    assert.throws(() => pages.of({ cursor: made }), refused, made);
  assert.throws(() => pages.of({ limit: "11" }), { code: "invalid-request" });
});

test("a tag follows the value, not the order of its members; weak is marked", () => {
  assert.equal(entityTag({ a: 1, b: 2 }), entityTag({ b: 2, a: 1 }));
  assert.notEqual(entityTag({ a: 1 }), entityTag({ a: 2 }));
  assert.equal(entityTag({ a: 1, at: undefined }, "weak"), `W/${entityTag({ a: 1 })}`);
});

test("a key is one field's visible text, bare or in quotes", () => {
  assert.equal(keyIn("8e03978e-40d5"), "8e03978e-40d5");
  assert.equal(keyIn('"8e03978e-40d5"'), "8e03978e-40d5");
  assert.equal(keyIn('"a \\"b\\" \\\\c, d"'), 'a "b" \\c, d');
  for (const bad of ["", "a b", "a, b", '"a', '"a\\b"', "ü", "a\u0000", "x".repeat(256), ["a", "b"]])
    assert.throws(() => keyIn(bad), { code: "idempotency-key-malformed" });
});

const tenant = tenantId("019a0000-0000-7000-8000-000000000001");

/** A Redis of a test: a map, or one that never answers. */
function fakeRedis(answers: boolean): { redis: Redis; asked: () => number } {
  const kept = new Map<string, string>();
  let asked = 0;
  const answer = async <Value>(value: Value): Promise<Value> => {
    asked += 1;
    return answers ? value : new Promise<Value>(() => {});
  };
  const redis = {
    get: (key: string) => answer(kept.get(key) ?? null),
    set: (key: string, value: string) => answer(kept.set(key, value) && "OK"),
    del: (key: string) => answer(Number(kept.delete(key))),
  };
  return { redis: redis as unknown as Redis, asked: () => asked };
}

test("a value is computed anew shortly before its end, by whom chance picks, and the others have the old one meanwhile", async () => {
  let now = 0;
  let luck = 0;
  const clock = { now: () => now, monotonic: () => now };
  const store = new CacheStore(fakeRedis(true).redis, clock, () => luck);
  let computed = 0;
  const fetch = (): Promise<number> =>
    store.of(tenant, 1).fetch("k", 10, async () => {
      computed += 1;
      now += 100;
      return computed;
    });
  assert.equal(await fetch(), 1);
  now = 9_900;
  assert.equal(await fetch(), 1);
  assert.equal(computed, 1, "far from the end, and no luck");
  // ln(1 - 0.99) is about -4.6: 460 ms ahead of a value that took 100 ms.
  luck = 0.99;
  assert.equal(await fetch(), 1, "who computes it does not wait for it");
  await new Promise(setImmediate);
  assert.equal(computed, 2);
  luck = 0;
  assert.equal(await fetch(), 2);
  now = 100_000;
  assert.deepEqual(await Promise.all([fetch(), fetch(), fetch()]).then((all) => new Set(all).size), 1);
});

test("an error of the computation is not kept, and goes to all who wait", async () => {
  const store = new CacheStore(fakeRedis(true).redis, { now: () => 0, monotonic: () => 0 });
  const cache = store.of(tenant, 1);
  const fail = (): Promise<number> => cache.fetch("k", 10, async () => Promise.reject(new Error("no")));
  await Promise.all([assert.rejects(fail(), /no/), assert.rejects(fail(), /no/)]);
  assert.equal(await cache.fetch("k", 10, async () => 3), 3);
});

test("a Redis that does not answer costs a bounded wait, and then none for a while", async () => {
  const { redis, asked } = fakeRedis(false);
  const store = new CacheStore(redis, { now: () => Date.now(), monotonic: () => performance.now() });
  for (let count = 0; count < 3; count++) assert.equal(await store.of(tenant, 1).get("k"), undefined);
  assert.equal(asked(), 3);
  assert.equal(await store.of(tenant, 1).fetch("k", 10, async () => 7), 7);
  assert.equal(asked(), 3, "it is left alone");
});
