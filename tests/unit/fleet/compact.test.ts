import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { canonicalJson } from "../../../common/canonical.ts";
import { tenantStates, tiers } from "../../../common/contracts/fleet.ts";
import { CompactRows } from "../../../common/fleet/compact/rows.ts";
import { FleetDocument } from "../../../common/fleet/document.ts";
import { MapRows } from "../../../common/fleet/rows.ts";
import { cellRowOf, documentRows, keyRowOf, tenantRowOf, uuidOf } from "../../support/fleet-rows.ts";

const slug = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/);
const positive = fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }));
/** Few ids, so that rows are changed and removed, and come back. */
const number = fc.integer({ min: 0, max: 12 });
const tenant = fc.record({
  number,
  slug: fc.oneof(fc.constantFrom("acme", "globex"), slug),
  domains: fc.array(fc.domain(), { maxLength: 2 }),
  tier: fc.constantFrom(...tiers),
  cell: fc.constantFrom("cell-1", "cell-2", "cell-3"),
  epoch: positive,
  state: fc.constantFrom(...tenantStates),
  reason: fc.option(fc.string()),
  moving: fc.boolean(),
  synthetic: fc.boolean(),
  limits: fc.record({ requestsPerSecond: positive, inFlight: positive, bodyBytes: positive }),
});
const change = fc.oneof(
  tenant.map(({ number: at, ...row }) => [`tenant/${uuidOf(at)}`, { id: uuidOf(at), ...row }] as const),
  number.map((at) => [`tenant/${uuidOf(at)}`, undefined] as const),
  fc.tuple(number, number).map(([at, of]) => {
    const row = { ...keyRowOf(at), tenant: uuidOf(of) };
    return [`key/${row.digest}`, row] as const;
  }),
  number.map((at) => [`key/${keyRowOf(at).digest}`, undefined] as const),
  // What does not fit: it is kept as it came.
  number.map((at) => [`tenant/${uuidOf(at)}`, { id: uuidOf(at), slug: "NO SLUG" }] as const),
  number.map((at) => [`key/${keyRowOf(at).digest}`, { ...keyRowOf(at), tenant: "nobody" }] as const),
  number.map((at) => [`cell/cell-${at}`, cellRowOf(`cell-${at}`)] as const),
);

/** What a store holds of all that was ever named in it. */
function contents(store: { get(name: string): unknown }, names: Iterable<string>): string {
  return canonicalJson(Object.fromEntries([...names].map((name) => [name, store.get(name) ?? null])));
}

/** Through its bytes, as from disk. */
function copyOf(rows: CompactRows): CompactRows {
  const aside = JSON.parse(JSON.stringify(rows.aside())) as ReturnType<CompactRows["aside"]>;
  const copy = new CompactRows(aside);
  const from = rows.chunks();
  for (const chunk of copy.chunks()) chunk.set(from.next().value as Uint8Array);
  copy.filled();
  return copy;
}

describe("rows in compact form", () => {
  it("hold without loss what a map holds, whatever is set, changed and removed, and so do a copy from disk and a compacted one", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        const map = new MapRows();
        const compact = new CompactRows();
        const names = new Set<string>();
        for (const [name, value] of changes) {
          names.add(name);
          for (const store of [map, compact])
            if (value === undefined) store.delete(name);
            else store.set(name, value);
        }
        const expected = contents(map, names);
        assert.equal(contents(compact, names), expected);
        assert.equal(compact.size, map.size);
        assert.equal(contents(copyOf(compact), names), expected);
        const tenants = [...compact.ofKind("tenant")].map((row) => canonicalJson(row)).toSorted();
        const fitting = [...map.ofKind("tenant")].filter((row) => "cell" in (row as object));
        assert.deepEqual(tenants, fitting.map((row) => canonicalJson(row)).toSorted());
      }),
      { numRuns: 300 },
    );
  });

  it("find a tenant by slug and domain with the last who took it, and nobody by what is only alike", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(number, fc.option(slug)), { maxLength: 60 }), slug, (changes, asked) => {
        const { tenants } = new CompactRows();
        const owner = new Map<string, number>();
        const has = new Map<number, string>();
        for (const [at, next] of changes) {
          const before = has.get(at);
          if (before !== undefined && owner.get(before) === at && before !== next) owner.delete(before);
          if (next === null) {
            tenants.remove(uuidOf(at));
            has.delete(at);
            if (before !== undefined && owner.get(before) === at) owner.delete(before);
            continue;
          }
          tenants.put(uuidOf(at), tenantRowOf(at, { slug: next }) as never);
          owner.set(next, at);
          has.set(at, next);
        }
        for (const text of [...owner.keys(), ...has.values(), asked]) {
          const slot = tenants.findSlug(`${text}.example.test`, text.length);
          const found = slot < 0 ? undefined : tenants.idText(slot);
          const expected = owner.get(text);
          assert.equal(found, expected === undefined ? undefined : uuidOf(expected));
        }
      }),
      { numRuns: 300 },
    );
  });

  it("have the document's hash, row for row, whether built whole or by changes", () => {
    const rows = documentRows(500, { keys: true });
    const generation = { term: 1, n: 1 };
    const plain = FleetDocument.of(rows, generation);
    const compact = FleetDocument.into(new CompactRows(), rows, generation);
    assert.equal(compact.hash, plain.hash);
    const key = keyRowOf(7);
    const changes = {
      [`tenant/${uuidOf(7)}`]: tenantRowOf(7, { cell: "cell-9", epoch: 2, domains: ["Seven.Example"] }),
      [`tenant/${uuidOf(8)}`]: null,
      [`key/${key.digest}`]: null,
    };
    const expected = FleetDocument.of(
      Object.fromEntries(Object.entries({ ...rows, ...changes }).filter(([, value]) => value !== null)),
      generation,
    ).hash;
    assert.equal(compact.apply(changes, { term: 1, n: 2 }, expected)?.length, 3);
    assert.equal(compact.hash, expected);
    assert.equal(compact.apply(changes, { term: 1, n: 3 }, "0".repeat(64)), null, "another hash changes nothing");
    assert.equal(compact.size, plain.size - 2);
  });

  it("cannot list keys, of which they know a part of the digest only", () => {
    assert.throws(() => [...new CompactRows().ofKind("key")], TypeError);
  });

  it("give back what removed tenants and renamed ones left behind, keys included", () => {
    const rows = new CompactRows();
    for (let at = 0; at < 30_000; at += 1) rows.set(`tenant/${uuidOf(at)}`, tenantRowOf(at));
    for (let at = 0; at < 100; at += 1) rows.set(`key/${keyRowOf(at).digest}`, keyRowOf(at));
    assert.equal(rows.compacted(), rows, "nothing is to be gained");
    for (let at = 1_000; at < 30_000; at += 1) rows.delete(`tenant/${uuidOf(at)}`);
    const before = rows.bytes;
    const copy = rows.compacted();
    assert.ok(copy.bytes < before / 4, `${copy.bytes} of ${before} bytes`);
    assert.equal(copy.tenants.size, 1_000);
    assert.deepEqual(copy.get(`key/${keyRowOf(99).digest}`), keyRowOf(99));
    assert.deepEqual(copy.get(`tenant/${uuidOf(99)}`), tenantRowOf(99));
  });

  it("take at most 80 bytes a tenant, and 125 with a key", () => {
    for (const [keys, most] of [
      [false, 80],
      [true, 125],
    ] as const) {
      const rows = new CompactRows();
      for (const [name, value] of Object.entries(documentRows(50_000, { keys }))) rows.set(name, value);
      assert.ok(rows.bytes / 50_000 <= most, `${rows.bytes / 50_000} bytes`);
    }
  });
});
