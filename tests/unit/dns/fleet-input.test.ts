import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createDns } from "../../../control-plane/dns/dns.ts";
import {
  type DnsFleet,
  dnsInputOf,
  type DnsPolicy,
  parseRouterAddresses,
} from "../../../control-plane/dns/fleet-input.ts";
import { planDns } from "../../../control-plane/dns/plan.ts";

const cell = (id: string, region: string) => ({
  id,
  region,
  apiUrl: "http://127.0.0.1:7000",
  adminUrl: "http://127.0.0.1:7001",
});
const tenant = (slug: string, tier: "free" | "pro" | "enterprise", overrides = {}) => ({
  slug,
  tier,
  cell: "cell-2",
  region: null,
  synthetic: false,
  ...overrides,
});
const fleet: DnsFleet = {
  fleet: "demo",
  baseDomain: "cellplane.localhost",
  generation: { term: 1, n: 3 },
  cells: [cell("cell-1", "eu"), cell("cell-2", "us"), cell("cell-3", "eu")],
  routers: [{ id: "router-1", url: "http://127.0.0.1:9000" }],
  tenants: [
    tenant("acme", "enterprise"),
    tenant("beta", "pro"),
    tenant("cora", "free", { region: "eu" }),
    tenant("synthetic-cell-1", "enterprise", { synthetic: true }),
  ],
};
const policy: DnsPolicy = { routers: {}, routerHealthPort: 80, ownRecordTiers: ["enterprise"], directTiers: [] };

describe("what is planned for a fleet", () => {
  it("lets the registered router stand in every region until addresses are configured", () => {
    const { regions } = dnsInputOf(fleet, policy);
    assert.deepEqual(
      regions.map(({ region, weight, routers }) => [
        region,
        weight,
        routers.map(({ addresses, healthPort }) => `${addresses.join()}:${healthPort}`),
      ]),
      [
        ["eu", 50, ["127.0.0.1:9000"]],
        ["us", 50, ["127.0.0.1:9000"]],
      ],
    );
  });

  it("takes the configured addresses instead", () => {
    const routers = parseRouterAddresses("eu=192.0.2.1, 192.0.2.2; us=198.51.100.1");
    const { regions } = dnsInputOf(fleet, { ...policy, routers, routerHealthPort: 8080 });
    assert.deepEqual(
      regions.map(({ region, routers: list }) => [region, list.flatMap(({ addresses }) => addresses)]),
      [
        ["eu", ["192.0.2.1", "192.0.2.2"]],
        ["us", ["198.51.100.1"]],
      ],
    );
  });

  it("gives records of their own to the tiers that have one and to residency, never to synthetic tenants", () => {
    const { tenants } = dnsInputOf(fleet, policy);
    assert.deepEqual(tenants, [
      { slug: "acme", region: "us", cell: null },
      { slug: "cora", region: "eu", cell: null },
    ]);
  });

  it("leads the tiers that want it straight to their cell", () => {
    const { tenants } = dnsInputOf(fleet, { ...policy, ownRecordTiers: [], directTiers: ["pro"] });
    assert.deepEqual(tenants[0], {
      slug: "beta",
      region: "us",
      cell: { id: "cell-2", addresses: ["127.0.0.1"], healthPort: 7001, healthPath: "/readyz" },
    });
  });

  it("makes a whole plan for a fleet on one machine", () => {
    const plan = planDns(dnsInputOf(fleet, policy), null);
    assert.equal(plan.records.filter(({ name }) => name === "*.cellplane.localhost").length, 2);
    assert.equal(plan.records.filter(({ routing }) => routing.kind === "failover").length, 4);
    assert.equal(plan.healthChecks.length, 1);
  });

  it("has no addresses for routers that registered with a name", () => {
    const named = { ...fleet, routers: [{ id: "router-1", url: "http://router.internal:9000" }] };
    assert.throws(() => planDns(dnsInputOf(named, policy), null), { code: "dns-no-routers" });
  });
});

describe("router addresses in the configuration", () => {
  it("may be left out, and must be addresses", () => {
    assert.deepEqual(parseRouterAddresses(""), {});
    for (const text of ["eu", "eu=", "=192.0.2.1", "eu=router.example"])
      assert.throws(() => parseRouterAddresses(text), TypeError);
  });
});

describe("DNS without a hosted zone", () => {
  const pace = { sleep: () => Promise.resolve(), monotonic: () => 0, random: () => 0 };
  const dns = createDns({ zoneId: null, endpoint: null, credentials: null }, pace);

  it("still shows the plan, and says that the zone was not read", async () => {
    const plan = await dns.plan(dnsInputOf(fleet, policy));
    assert.deepEqual([plan.zoneRead, plan.changes.length], [false, plan.records.length]);
  });

  it("refuses to apply it", async () => {
    await assert.rejects(dns.apply(dnsInputOf(fleet, policy), null), { code: "dns-not-configured" });
  });
});
