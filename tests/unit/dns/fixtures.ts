import type { DnsChange, DnsRecord } from "../../../common/contracts/dns.ts";
import type { DnsInput, Endpoint } from "../../../control-plane/dns/desired.ts";

export const router = (id: string, ...addresses: string[]): Endpoint => ({
  id,
  addresses,
  healthPort: 8080,
  healthPath: "/readyz",
});

/** Two regions; one tenant straight at its cell, one that stays in its region. */
export const anInput = (overrides: Partial<DnsInput> = {}): DnsInput => ({
  fleet: "demo",
  baseDomain: "cells.example",
  generation: { term: 1, n: 5 },
  regions: [
    { region: "eu", weight: 60, routers: [router("router-1", "192.0.2.1"), router("router-2", "192.0.2.2")] },
    { region: "us", weight: 40, routers: [router("router-3", "198.51.100.1")] },
  ],
  tenants: [
    {
      slug: "acme",
      region: "eu",
      cell: { id: "cell-1", addresses: ["203.0.113.1"], healthPort: 9000, healthPath: "/readyz" },
    },
    { slug: "beta", region: "us", cell: null },
  ],
  ttlSeconds: 60,
  ...overrides,
});

/** The zone's records after changes in this order, checked as Route 53 would. */
export function applied(records: readonly DnsRecord[], changes: readonly DnsChange[]): DnsRecord[] {
  const held = new Map(records.map((record) => [record.identifier, record]));
  for (const { action, record } of changes) {
    if (action === "UPSERT") held.set(record.identifier, record);
    else if (!held.delete(record.identifier)) throw new Error(`${record.identifier} is not there to delete`);
  }
  return [...held.values()];
}
