import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { DnsChange, DnsMarker, DnsPlan, DnsRecord } from "../../../common/contracts/dns.ts";
import { batchesOf } from "../../../control-plane/dns/batches.ts";
import type { DnsInput } from "../../../control-plane/dns/desired.ts";
import { compareGenerations, markerText, parseMarker } from "../../../control-plane/dns/marker.ts";
import { planDns, planName, type ZoneState } from "../../../control-plane/dns/plan.ts";
import { anInput, applied, router } from "./fixtures.ts";

const zoneOf = (plan: DnsPlan, overrides: Partial<ZoneState> = {}): ZoneState => ({
  records: plan.records,
  foreign: [],
  healthChecks: plan.healthChecks.map(({ reference }) => reference),
  marker: { fleet: plan.fleet, generation: plan.generation, serial: 3, plan: planName(plan.hash), state: "applied" },
  ...overrides,
});
const told = ({ action, record, why }: DnsChange): string => `${action} ${record.identifier} ${why}`;

describe("a plan for a zone", () => {
  const first = planDns(anInput(), null);

  it("that cannot be read shows all that is wanted, and says so", () => {
    assert.equal(first.zoneRead, false);
    assert.equal(first.changes.length, first.records.length);
    assert.ok(first.changes.every(({ action, why }) => action === "UPSERT" && why === "missing"));
    assert.equal(first.healthChecksToCreate.length, 4);
  });

  it("that holds everything changes nothing", () => {
    const again = planDns(anInput(), zoneOf(first));
    assert.deepEqual(
      [again.changes, again.batches, again.drift, again.healthChecksToCreate, again.healthChecksToDelete],
      [[], [], [], [], []],
    );
  });

  it("does not mind the order of addresses", () => {
    const cell = { id: "cell-1", addresses: ["203.0.113.1", "203.0.113.2"], healthPort: 9000, healthPath: "/readyz" };
    const plan = planDns(anInput({ tenants: [{ slug: "acme", region: "eu", cell }] }), null);
    const reversed = plan.records.map((record): DnsRecord =>
      record.target.kind === "alias"
        ? record
        : { ...record, target: { ...record.target, values: record.target.values.toReversed() } },
    );
    assert.deepEqual(
      planDns(anInput({ tenants: [{ slug: "acme", region: "eu", cell }] }), zoneOf(plan, { records: reversed }))
        .changes,
      [],
    );
  });

  it("changes what differs and removes what is not wanted, with its health check", () => {
    const without2 = anInput({
      generation: { term: 1, n: 6 },
      regions: [
        { region: "eu", weight: 90, routers: [router("router-1", "192.0.2.1")] },
        ...anInput().regions.slice(1),
      ],
    });
    const plan = planDns(without2, zoneOf(first));
    assert.deepEqual(plan.changes.map(told), [
      "UPSERT cellplane/wildcard/eu/A differs",
      "DELETE cellplane/router/eu/router-2/192.0.2.2 not-wanted",
    ]);
    assert.deepEqual(plan.healthChecksToDelete, [first.healthChecks[1]?.reference]);
    assert.deepEqual(plan.drift, []);
  });

  it("calls it drift when somebody else changed what was applied", () => {
    const edited = first.records
      .slice(1)
      .map((record): DnsRecord =>
        record.identifier.startsWith("cellplane/wildcard/us")
          ? { ...record, routing: { kind: "weighted", weight: 0 } }
          : record,
      );
    const stray: DnsRecord = {
      ...(first.records[0] as DnsRecord),
      name: "old.cells.example",
      identifier: "cellplane/tenant/old/routers/A",
    };
    const plan = planDns(anInput(), zoneOf(first, { records: [...edited, stray] }));
    assert.deepEqual(plan.drift.map(told), [
      "UPSERT cellplane/router/eu/router-1/192.0.2.1 missing",
      "UPSERT cellplane/wildcard/us/A differs",
      "DELETE cellplane/tenant/old/routers/A not-wanted",
    ]);
  });

  it("lists names that somebody else's records occupy", () => {
    const foreign = [
      { name: "acme.cells.example", type: "CNAME" },
      { name: "beta.cells.example", type: "TXT" },
      { name: "www.cells.example", type: "A" },
    ];
    assert.deepEqual(planDns(anInput(), { ...zoneOf(first), foreign }).conflicts, [
      { name: "acme.cells.example", type: "CNAME" },
    ]);
  });

  it("is refused when it is older than what the zone holds, or the zone another fleet's", () => {
    const at = (term: number, n: number): ZoneState => {
      const zone = zoneOf(first);
      return { ...zone, marker: { ...(zone.marker as DnsMarker), generation: { term, n } } };
    };
    assert.throws(() => planDns(anInput(), at(1, 6)), { code: "dns-plan-older" });
    assert.throws(() => planDns(anInput(), at(2, 0)), { code: "dns-plan-older" });
    assert.doesNotThrow(() => planDns(anInput(), at(1, 5)));
    assert.doesNotThrow(() => planDns(anInput({ generation: { term: 2, n: 0 } }), at(1, 9)));
    assert.throws(() => planDns(anInput({ fleet: "other" }), zoneOf(first)), { code: "dns-other-fleet" });
  });

  it("has a hash of what is wanted, whatever the zone holds", () => {
    assert.equal(planDns(anInput({ generation: { term: 1, n: 9 } }), zoneOf(first)).hash, first.hash);
    assert.notEqual(planDns(anInput({ ttlSeconds: 30 }), null).hash, first.hash);
  });
});

const slugs = fc.uniqueArray(fc.constantFrom("acme", "beta", "cora", "dune"), { maxLength: 4 });
const inputs: fc.Arbitrary<DnsInput> = fc
  .record({
    eu: fc.integer({ min: 1, max: 3 }),
    us: fc.integer({ min: 0, max: 2 }),
    weight: fc.integer({ min: 0, max: 255 }),
    direct: slugs,
    regional: slugs,
  })
  .map(({ eu, us, weight, direct, regional }) => {
    const routers = (region: string, net: string, count: number) => ({
      region,
      weight,
      routers: Array.from({ length: count }, (_, n) => router(`router-${region}-${n}`, `${net}.${n + 1}`)),
    });
    const cell = { id: "cell-1", addresses: ["203.0.113.1"], healthPort: 9000, healthPath: "/readyz" };
    return anInput({
      regions: [routers("eu", "192.0.2", eu), routers("us", "198.51.100", us)],
      tenants: [
        ...direct.map((slug) => ({ slug, region: "eu", cell })),
        ...regional.filter((slug) => !direct.includes(slug)).map((slug) => ({ slug, region: "us", cell: null })),
      ],
    });
  });

describe("the changes of a plan, whatever was there before", () => {
  it("lead exactly to what is wanted, each change in one batch", () => {
    fc.assert(
      fc.property(inputs, inputs, fc.integer({ min: 1, max: 10 }), (before, after, limit) => {
        const held = planDns(before, null).records;
        const plan = planDns(after, zoneOf(planDns(before, null)));
        const order = batchesOf(plan.changes, limit).flat();
        assert.deepEqual(
          order.toSorted((a, b) => a - b),
          plan.changes.map((_, n) => n),
        );
        const result = applied(
          held,
          order.flatMap((n) => plan.changes[n] ?? []),
        );
        const byIdentifier = (a: DnsRecord, b: DnsRecord): number => (a.identifier < b.identifier ? -1 : 1);
        assert.deepEqual(result.toSorted(byIdentifier), plan.records.toSorted(byIdentifier));
      }),
    );
  });

  it("leave no name empty between batches that had and will have records, and no alias without its target", () => {
    fc.assert(
      fc.property(inputs, inputs, fc.integer({ min: 1, max: 5 }), (before, after, limit) => {
        const plan = planDns(after, zoneOf(planDns(before, null)));
        let records: readonly DnsRecord[] = planDns(before, null).records;
        const lasting = new Set(records.map(({ name }) => name)).intersection(
          new Set(plan.records.map(({ name }) => name)),
        );
        for (const batch of batchesOf(plan.changes, limit)) {
          records = applied(
            records,
            batch.flatMap((n) => plan.changes[n] ?? []),
          );
          const names = new Set(records.map(({ name }) => name));
          for (const name of lasting) assert.ok(names.has(name), `${name} is empty`);
          for (const { target } of records)
            assert.ok(target.kind === "addresses" || names.has(target.name), "alias without target");
          for (const group of Map.groupBy(records, ({ name, type }) => `${name} ${type}`).values()) {
            assert.equal(
              new Set(group.map(({ routing }) => routing.kind)).size,
              1,
              "two routing policies under one name",
            );
          }
        }
      }),
    );
  });

  it("keep to the batch limit, a single name's group apart", () => {
    fc.assert(
      fc.property(inputs, fc.integer({ min: 1, max: 6 }), (input, limit) => {
        const { changes } = planDns(input, null);
        for (const batch of batchesOf(changes, limit)) {
          const names = new Set(batch.map((n) => `${changes[n]?.record.name} ${changes[n]?.record.type}`));
          assert.ok(batch.length <= limit || names.size === 1);
        }
      }),
    );
  });
});

describe("the marker beside the records", () => {
  const marker: DnsMarker = {
    fleet: "demo",
    generation: { term: 2, n: 41 },
    serial: 7,
    plan: "ab12",
    state: "applying",
  };

  it("survives its TXT record, within the 255 characters of a string", () => {
    assert.deepEqual(parseMarker(markerText(marker)), marker);
    assert.ok(markerText({ ...marker, fleet: "f".repeat(63), plan: "f".repeat(32) }).length < 255);
  });

  it("is not seen in other texts", () => {
    for (const text of ["", '"v=spf1 -all"', markerText(marker).replace("serial=7", "serial=x")])
      assert.equal(parseMarker(text), null);
  });

  it("orders generations by term first", () => {
    assert.ok(compareGenerations({ term: 2, n: 0 }, { term: 1, n: 99 }) > 0);
    assert.ok(compareGenerations({ term: 1, n: 3 }, { term: 1, n: 4 }) < 0);
    assert.equal(compareGenerations({ term: 1, n: 3 }, { term: 1, n: 3 }), 0);
  });
});
