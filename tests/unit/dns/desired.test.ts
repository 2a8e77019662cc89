import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DnsRecord } from "../../../common/contracts/dns.ts";
import { desiredDns } from "../../../control-plane/dns/desired.ts";
import { anInput, router } from "./fixtures.ts";

/** A record in one line: where it is, how it is chosen, where it leads. */
function told({ name, type, routing, target, healthCheck }: DnsRecord): string {
  const how = routing.kind === "weighted" ? `weight ${routing.weight}` : routing.role;
  const where = target.kind === "alias" ? `→ ${target.name}` : target.values.join(" ");
  return `${name} ${type} ${how} ${where}${healthCheck === null ? "" : " checked"}`;
}

describe("the records of a fleet in two regions", () => {
  it("lead from the wildcard over regions and failover to checked routers, and tenants to cells or regions", () => {
    assert.deepEqual(desiredDns(anInput()).records.map(told), [
      "eu._routers.cells.example A weight 100 192.0.2.1 checked",
      "eu._routers.cells.example A weight 100 192.0.2.2 checked",
      "us._routers.cells.example A weight 100 198.51.100.1 checked",
      "eu._entry.cells.example A PRIMARY → eu._routers.cells.example",
      "eu._entry.cells.example A SECONDARY → us._routers.cells.example",
      "us._entry.cells.example A PRIMARY → us._routers.cells.example",
      "us._entry.cells.example A SECONDARY → eu._routers.cells.example",
      "*.cells.example A weight 60 → eu._entry.cells.example",
      "*.cells.example A weight 40 → us._entry.cells.example",
      "acme.cells.example A PRIMARY 203.0.113.1 checked",
      "acme.cells.example A SECONDARY → eu._entry.cells.example",
      "beta.cells.example A weight 100 → us._entry.cells.example",
    ]);
  });

  it("have identifiers that are unique in the zone, and checks that are told apart by what they check", () => {
    const { records, healthChecks } = desiredDns(anInput());
    assert.equal(new Set(records.map(({ identifier }) => identifier)).size, records.length);
    assert.deepEqual(
      healthChecks.map(({ address, port, path }) => `${address}:${port}${path}`),
      ["192.0.2.1:8080/readyz", "192.0.2.2:8080/readyz", "198.51.100.1:8080/readyz", "203.0.113.1:9000/readyz"],
    );
    assert.equal(new Set(healthChecks.map(({ reference }) => reference)).size, 4);
    assert.ok(healthChecks.every(({ reference }) => reference.length <= 64));
    for (const { healthCheck } of records) {
      assert.ok(healthCheck === null || healthChecks.some(({ reference }) => reference === healthCheck));
    }
  });

  it("point only at names that have records of the same family, and those come first", () => {
    const regions = [
      { region: "eu", weight: 1, routers: [router("router-1", "192.0.2.1", "2001:db8::1")] },
      { region: "us", weight: 1, routers: [router("router-2", "198.51.100.1")] },
    ];
    const { records } = desiredDns(anInput({ regions }));
    records.forEach(({ target, type }, n) => {
      if (target.kind === "addresses") return;
      assert.ok(
        records.slice(0, n).some((earlier) => earlier.name === target.name && earlier.type === type),
        `${target.name} ${type}`,
      );
    });
  });
});

describe("the records of other fleets", () => {
  it("in one region have no failover to itself", () => {
    const regions = anInput().regions.slice(0, 1);
    const told1 = desiredDns(anInput({ regions, tenants: [] })).records.map(told);
    assert.ok(told1.includes("eu._entry.cells.example A PRIMARY → eu._routers.cells.example"));
    assert.ok(!told1.some((line) => line.includes("SECONDARY")));
  });

  it("leave out regions without routers, their tenants entering elsewhere", () => {
    const regions = [{ region: "us", weight: 40, routers: [] }, ...anInput().regions.slice(0, 1)];
    const lines = desiredDns(anInput({ regions })).records.map(told);
    assert.ok(lines.includes("beta.cells.example A weight 100 → eu._entry.cells.example"));
    assert.ok(!lines.some((line) => line.includes("us._")));
  });

  it("without any router are not planned", () => {
    assert.throws(() => desiredDns(anInput({ regions: [] })), { code: "dns-no-routers" });
    assert.throws(
      () => desiredDns(anInput({ regions: [{ region: "eu", weight: 1, routers: [router("router-1")] }] })),
      { code: "dns-no-routers" },
    );
  });
});
