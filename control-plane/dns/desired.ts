import { digestOf } from "../../common/canonical.ts";
import type { DnsHealthCheck, DnsRecord } from "../../common/contracts/dns.ts";
import type { Generation } from "../../common/contracts/fleet.ts";
import { dnsError } from "./errors.ts";
import { entryName, identifierPrefix, routersName, tenantName, wildcardName } from "./names.ts";

/** Something that answers at public addresses and can be asked for its health. */
export interface Endpoint {
  readonly id: string;
  /** IPv4 or IPv6 addresses; each becomes a record with its own health check. */
  readonly addresses: readonly string[];
  readonly healthPort: number;
  readonly healthPath: string;
}

export interface DnsRegion {
  readonly region: string;
  /** Share of the tenants' look-ups that enter by this region, relative to the others; 0 to 255. */
  readonly weight: number;
  readonly routers: readonly Endpoint[];
}

/** A tenant with a record of its own; all others are served by the wildcard. */
export interface DnsTenant {
  readonly slug: string;
  readonly region: string;
  /** Straight at its cell (by choice of its tier), the routers standing in while the cell fails; null: by its region's routers. */
  readonly cell: Endpoint | null;
}

/** What the registry knows that bears on DNS. */
export interface DnsInput {
  readonly fleet: string;
  readonly baseDomain: string;
  readonly generation: Generation;
  /** In order: each region's failover goes to the next one that has routers. */
  readonly regions: readonly DnsRegion[];
  readonly tenants: readonly DnsTenant[];
  readonly ttlSeconds: number;
}

export interface DesiredDns {
  /** What others point at comes first. */
  readonly records: readonly DnsRecord[];
  readonly healthChecks: readonly DnsHealthCheck[];
}

/** Low, so that a lost router is left within a minute; not lower, because resolvers round up what is. */
export const defaultTtlSeconds = 60;

const routerWeight = 100;

/**
 * The records that a fleet should have:
 *
 *   *.<base>                weighted over regions → <region>._entry
 *   <region>._entry.<base>  failover: its own routers, then the next region's → <region>._routers
 *   <region>._routers       weighted over the routers' addresses, each with a health check
 *   <slug>.<base>           straight at the cell, failing over to its region's entry; or its region's entry
 *
 * When all health checks fail Route 53 answers as if all passed, so they alone never take a fleet out.
 * @throws `dns-no-routers`: records that lead nowhere are never planned.
 */
export function desiredDns(input: DnsInput): DesiredDns {
  const regions = input.regions.filter(({ routers }) => routers.some(({ addresses }) => addresses.length > 0));
  if (regions.length === 0) throw dnsError("dns-no-routers", `no router of ${input.fleet} has an address`);

  const parts = [
    ...regions.map((region) => routersOf(region, input)),
    {
      records: regions.flatMap((region, n) => entryOf(region, regions[(n + 1) % regions.length], input)),
      healthChecks: [],
    },
    { records: regions.flatMap((region) => wildcardOf(region, input)), healthChecks: [] },
    ...input.tenants.map((tenant) => tenantOf(tenant, regions, input)),
  ];
  const healthChecks = new Map(parts.flatMap((part) => part.healthChecks).map((check) => [check.reference, check]));
  return { records: parts.flatMap((part) => part.records), healthChecks: [...healthChecks.values()] };
}

/** Health checks of a fleet are told from others by this beginning of their reference. */
export function healthCheckPrefix(fleet: string): string {
  return `${identifierPrefix}${digestOf(fleet).slice(0, 12)}/`;
}

function routersOf({ region, routers }: DnsRegion, input: DnsInput): DesiredDns {
  const name = routersName(region, input.baseDomain);
  return direct(name, `router/${region}`, routers, { kind: "weighted", weight: routerWeight }, input);
}

function entryOf(own: DnsRegion, next: DnsRegion | undefined, input: DnsInput): readonly DnsRecord[] {
  const name = entryName(own.region, input.baseDomain);
  const to = (region: DnsRegion, role: "PRIMARY" | "SECONDARY"): DnsRecord[] =>
    familiesOf(region.routers).map((type) => ({
      name,
      type,
      identifier: `${identifierPrefix}entry/${own.region}/${role.toLowerCase()}/${type}`,
      routing: { kind: "failover", role },
      target: alias(routersName(region.region, input.baseDomain)),
      healthCheck: null,
    }));
  const hasNext = next !== undefined && next.region !== own.region;
  return [...to(own, "PRIMARY"), ...(hasNext ? to(next, "SECONDARY") : [])];
}

function wildcardOf({ region, weight, routers }: DnsRegion, input: DnsInput): readonly DnsRecord[] {
  return familiesOf(routers).map((type) => ({
    name: wildcardName(input.baseDomain),
    type,
    identifier: `${identifierPrefix}wildcard/${region}/${type}`,
    routing: { kind: "weighted", weight },
    target: alias(entryName(region, input.baseDomain)),
    healthCheck: null,
  }));
}

function tenantOf(tenant: DnsTenant, regions: readonly DnsRegion[], input: DnsInput): DesiredDns {
  const name = tenantName(tenant.slug, input.baseDomain);
  const region = regions.find((one) => one.region === tenant.region) ?? regions[0];
  const standIn: DnsRecord[] = familiesOf(region?.routers ?? []).map((type) => ({
    name,
    type,
    identifier: `${identifierPrefix}tenant/${tenant.slug}/routers/${type}`,
    routing:
      tenant.cell === null ? { kind: "weighted", weight: routerWeight } : { kind: "failover", role: "SECONDARY" },
    target: alias(entryName(region?.region ?? tenant.region, input.baseDomain)),
    healthCheck: null,
  }));
  if (tenant.cell === null || tenant.cell.addresses.length === 0) return { records: standIn, healthChecks: [] };

  // One PRIMARY a name and family is all that Route 53 allows, so that all addresses of the cell are in one record.
  const cell = tenant.cell;
  const records: DnsRecord[] = [];
  const healthChecks: DnsHealthCheck[] = [];
  for (const type of familiesOf([cell])) {
    const values = cell.addresses.filter((address) => familyOf(address) === type);
    const check = healthCheckOf(cell, values[0] ?? "", input);
    healthChecks.push(check);
    records.push({
      name,
      type,
      identifier: `${identifierPrefix}tenant/${tenant.slug}/cell/${type}`,
      routing: { kind: "failover", role: "PRIMARY" },
      target: { kind: "addresses", ttlSeconds: input.ttlSeconds, values },
      healthCheck: check.reference,
    });
  }
  // A stand-in for a family that the cell does not have would be a SECONDARY without PRIMARY, which is no failover.
  return {
    records: [...records, ...standIn.filter(({ type }) => records.some((one) => one.type === type))],
    healthChecks,
  };
}

function direct(
  name: string,
  identity: string,
  endpoints: readonly Endpoint[],
  routing: DnsRecord["routing"],
  input: DnsInput,
): DesiredDns {
  const records: DnsRecord[] = [];
  const healthChecks: DnsHealthCheck[] = [];
  for (const endpoint of endpoints) {
    for (const address of endpoint.addresses) {
      const check = healthCheckOf(endpoint, address, input);
      healthChecks.push(check);
      records.push({
        name,
        type: familyOf(address),
        identifier: `${identifierPrefix}${identity}/${endpoint.id}/${address}`,
        routing,
        target: { kind: "addresses", ttlSeconds: input.ttlSeconds, values: [address] },
        healthCheck: check.reference,
      });
    }
  }
  return { records, healthChecks };
}

function healthCheckOf(endpoint: Endpoint, address: string, input: DnsInput): DnsHealthCheck {
  const check = {
    address,
    port: endpoint.healthPort,
    path: endpoint.healthPath,
    intervalSeconds: 10 as const,
    failures: 3,
  };
  return { reference: `${healthCheckPrefix(input.fleet)}${digestOf(check).slice(0, 32)}`, ...check };
}

function alias(name: string): DnsRecord["target"] {
  return { kind: "alias", name, takesHealth: true };
}

function familiesOf(endpoints: readonly Endpoint[]): readonly DnsRecord["type"][] {
  const present = new Set(endpoints.flatMap(({ addresses }) => addresses.map(familyOf)));
  return (["A", "AAAA"] as const).filter((family) => present.has(family));
}

function familyOf(address: string): DnsRecord["type"] {
  return address.includes(":") ? "AAAA" : "A";
}
