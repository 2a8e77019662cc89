import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TenantRow } from "../../../common/contracts/fleet.ts";
import type { ReleaseRecord, Slot } from "../../../common/contracts/lease.ts";
import { CompactRows } from "../../../common/fleet/compact/rows.ts";
import { FleetDocument, type RowChange } from "../../../common/fleet/document.ts";
import type { CellId, TenantId } from "../../../common/ids.ts";
import { hostName, slugLength } from "../../../router/table/host.ts";
import { LiveSlots } from "../../../router/table/live-slots.ts";
import { Owners } from "../../../router/table/owners.ts";
import { RoutingTable } from "../../../router/table/table.ts";

const id = "01890000-0000-7000-8000-000000000001" as TenantId;
const digest = "a".repeat(64);
const limits = { requestsPerSecond: 1, inFlight: 1, bodyBytes: 1 };
const tenant = (more: object = {}): TenantRow =>
  ({
    id,
    slug: "acme",
    domains: ["Acme.Example"],
    tier: "free",
    cell: "cell-1",
    epoch: 3,
    state: "active",
    reason: null,
    moving: false,
    synthetic: false,
    limits,
    ...more,
  }) as TenantRow;
const address = (port: number) => ({ url: `http://127.0.0.1:${port}`, adminUrl: "", workerUrl: "" });
const cell = (name: string, more: object = {}) => ({
  id: name,
  region: "eu",
  cordoned: false,
  slots: { a: address(1), b: address(2) },
  liveSlot: "a",
  release: null,
  ...more,
});
const rows = {
  "settings/fleet": { baseDomain: "Cellplane.Localhost", application: "pulse" },
  [`tenant/${id}`]: tenant(),
  [`key/${digest}`]: { digest, id: "01890000-0000-7000-8000-000000000009", tenant: id },
  "cell/cell-1": cell("cell-1"),
  "part/router-1": { id: "router-1", role: "router", keys: ["x"], url: null },
};

function filled(more: Record<string, unknown> = {}) {
  const table = new RoutingTable();
  let document = FleetDocument.into(new CompactRows(), {}, { term: 1, n: 1 });
  const apply = (all: Record<string, unknown>) => {
    document = FleetDocument.into(new CompactRows(), all, { term: 1, n: 1 });
    table.apply(document, "all");
  };
  const change = (name: string, after: unknown) => {
    const before = document.row(name);
    if (after === undefined) document.rows.delete(name);
    else document.rows.set(name, after);
    table.apply(document, [{ name, before, after } satisfies RowChange]);
  };
  return { table, fill: () => apply({ ...rows, ...more }), apply, change };
}

describe("host names", () => {
  it("lose their port and their case; what is no host name is null", () => {
    for (const [field, name] of [
      ["acme.cellplane.localhost", "acme.cellplane.localhost"],
      ["ACME.Cellplane.localhost:8080", "acme.cellplane.localhost"],
      ["a", "a"],
      ["", null],
      ["acme.", null],
      ["a..b", null],
      ["-a", null],
      ["a@b", null],
      ["a b", null],
      ["[::1]:80", null],
      ["a:123456", null],
      ["a:", null],
      ["ä.example", null],
      [`${"a".repeat(254)}`, null],
    ] as const) {
      assert.equal(hostName(field), name, field);
    }
  });

  it("have a slug one label below the base domain only", () => {
    const base = "cellplane.localhost";
    assert.equal(slugLength("acme.cellplane.localhost", base), 4);
    for (const name of [
      base,
      "xcellplane.localhost",
      "a.b.cellplane.localhost",
      "acme.example",
      ".cellplane.localhost",
    ])
      assert.equal(slugLength(name, base), 0, name);
  });
});

describe("the routing table", () => {
  it("finds tenants by slug and domain, keys by digest, cells by id", () => {
    const { table, fill } = filled();
    fill();
    assert.equal(table.tenantAt("acme.cellplane.localhost")?.id, id);
    assert.equal(table.tenantAt("acme.example")?.id, id);
    assert.equal(table.tenantAt("acme.other"), undefined);
    assert.equal(table.keyOf(digest)?.tenant, id);
    assert.equal(table.cell("cell-1" as CellId)?.region, "eu");
    assert.equal(table.routers, 1);
  });

  it("without settings there is no tenant by slug: no default domain, no default tenant (I6)", () => {
    const { table, apply } = filled();
    apply({ [`tenant/${id}`]: tenant() });
    assert.equal(table.tenantAt("acme.cellplane.localhost"), undefined);
  });

  it("a changed slug or domain leaves nothing of the old one behind, a removed row neither", () => {
    const { table, fill, change } = filled();
    fill();
    change(`tenant/${id}`, tenant({ slug: "other", domains: [] }));
    assert.equal(table.tenantAt("acme.cellplane.localhost"), undefined);
    assert.equal(table.tenantAt("acme.example"), undefined);
    assert.equal(table.tenantAt("other.cellplane.localhost")?.id, id);
    change(`tenant/${id}`, undefined);
    change(`key/${digest}`, undefined);
    assert.equal(table.tenants, 0);
    assert.equal(table.keyOf(digest), undefined);
  });

  it("a slug that passed from one tenant to another stays with its new owner, whichever change came first", () => {
    const { table, fill, change } = filled();
    fill();
    const second = "01890000-0000-7000-8000-000000000002" as TenantId;
    change(`tenant/${second}`, tenant({ id: second, domains: [] }));
    change(`tenant/${id}`, undefined);
    assert.equal(table.tenantAt("acme.cellplane.localhost")?.id, second);
  });

  it("a whole document replaces what it does not hold", () => {
    const { table, fill, apply } = filled();
    fill();
    apply({ "settings/fleet": rows["settings/fleet"], "cell/cell-2": cell("cell-2") });
    assert.deepEqual([table.tenants, [...table.cells()].map((row) => row.id)], [0, ["cell-2"]]);
  });

  it("a whole document tells those who watch a tenant of its change, and nobody else of anything", () => {
    const { table, apply } = filled();
    const heard: [TenantId, number | null][] = [];
    table.listen({ tenantChanged: (of, row) => heard.push([of, row?.epoch ?? null]), watchedTenants: () => [id] });
    apply({ ...rows, [`tenant/${id}`]: tenant({ epoch: 9 }) });
    apply({ "settings/fleet": rows["settings/fleet"] });
    assert.deepEqual(heard, [
      [id, 9],
      [id, null],
    ]);
  });

  it("a row that was asked for is the same object until it changes: a look-up allocates nothing", () => {
    const { table, fill, change } = filled();
    fill();
    const asked = () => [table.tenantAt("acme.cellplane.localhost"), table.keyOf(digest)] as const;
    const [first, key] = asked();
    assert.ok(asked()[0] === first && asked()[1] === key);
    change(`tenant/${id}`, tenant({ epoch: 4 }));
    assert.equal(asked()[0]?.epoch, 4);
    change(`key/${digest}`, undefined);
    assert.equal(asked()[1], undefined);
  });

  it("a key whose digest only begins alike is none", () => {
    const { table, fill } = filled();
    fill();
    assert.equal(table.keyOf(`${"a".repeat(31)}b${"a".repeat(32)}`), undefined);
    assert.equal(table.keyOf(`${"a".repeat(63)}`), undefined);
    assert.equal(table.keyOf(""), undefined);
  });

  it("a row that does not fit is left out and counted; an unknown kind is nobody's business", () => {
    const { table, change } = filled();
    change(`tenant/${id}`, { ...tenant(), epoch: 0 });
    change("tomorrow/x", { any: 1 });
    assert.deepEqual([table.tenants, table.badRows], [0, 1]);
  });
});

describe("owners", () => {
  const record = (epoch: number): ReleaseRecord =>
    ({
      tenant: id,
      from: "cell-1",
      epoch,
      destination: "cell-2",
      addresses: { a: address(3), b: address(4) },
      operation: "x",
      freeze: "f",
      iat: 1,
    }) as unknown as ReleaseRecord;

  it("an adopted record counts until the document is as new; an older one never (I3)", () => {
    const { table, fill, change } = filled();
    const owners = new Owners(table);
    fill();
    assert.equal(owners.ownerOf(tenant())?.cell, "cell-1");
    assert.equal(owners.adopt(record(3), "t"), null);
    assert.equal(owners.adopt(record(4), "t4")?.cell, "cell-2");
    assert.equal(owners.adopt(record(4), "again"), null);
    assert.deepEqual(
      [owners.ownerOf(tenant())?.epoch, owners.ownerOf(tenant())?.record, owners.ownerOf(tenant())?.addresses.a.url],
      [4, "t4", "http://127.0.0.1:3"],
    );
    change(`tenant/${id}`, tenant({ reason: "unrelated" }));
    assert.equal(owners.adopted, 1);
    change(`tenant/${id}`, tenant({ cell: "cell-2", epoch: 4 }));
    assert.equal(owners.adopted, 0);
  });

  it("the addresses of a destination that the document knows come from the document", () => {
    const { table, fill } = filled({ "cell/cell-2": cell("cell-2", { slots: { a: address(7), b: address(8) } }) });
    const owners = new Owners(table);
    fill();
    assert.equal(owners.adopt(record(4), "t")?.addresses.a.url, "http://127.0.0.1:7");
  });

  it("a tenant whose cell is not in the document has no owner, and gets no other", () => {
    const { table, fill } = filled();
    const owners = new Owners(table);
    fill();
    assert.equal(owners.ownerOf(tenant({ cell: "cell-7" })), undefined);
  });
});

describe("live slots", () => {
  it("the cell's word corrects the document's hint, and a stale hint does not come back", () => {
    const { table, fill, change } = filled();
    const turns: [CellId, Slot][] = [];
    const live = new LiveSlots(table, (name, left) => turns.push([name, left]));
    fill();
    const one = "cell-1" as CellId;
    assert.equal(live.of(one), "a");
    live.heard(one, "b");
    change("cell/cell-1", cell("cell-1", { cordoned: true }));
    assert.equal(live.of(one), "b");
    live.heard(one, "b");
    assert.deepEqual(turns, [[one, "a"]]);
    change("cell/cell-1", cell("cell-1", { liveSlot: "b" }));
    change("cell/cell-1", cell("cell-1", { liveSlot: "a" }));
    assert.equal(live.of(one), "a");
  });
});
