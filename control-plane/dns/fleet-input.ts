import { isIP } from "node:net";
import type { Generation, Tier } from "../../common/contracts/fleet.ts";
import { defaultTtlSeconds, type DnsInput, type DnsRegion, type DnsTenant, type Endpoint } from "./desired.ts";

/** How a fleet wishes to be found. */
export interface DnsPolicy {
  /** Public addresses of the routers by region; empty: those the routers registered with, entering by every region. */
  readonly routers: Readonly<Record<string, readonly string[]>>;
  /** Where routers at these addresses answer health checks. */
  readonly routerHealthPort: number;
  /** Tiers whose tenants have a record of their own, entering by their cell's region. */
  readonly ownRecordTiers: readonly Tier[];
  /** Tiers whose tenants' records lead straight to their cell. */
  readonly directTiers: readonly Tier[];
}

/** What the registry holds. URLs are those that the parts registered with. */
export interface DnsFleet {
  readonly fleet: string;
  readonly baseDomain: string;
  readonly generation: Generation;
  readonly cells: readonly {
    readonly id: string;
    readonly region: string;
    readonly apiUrl: string;
    readonly adminUrl: string;
  }[];
  readonly routers: readonly { readonly id: string; readonly url: string }[];
  readonly tenants: readonly {
    readonly slug: string;
    readonly tier: Tier;
    readonly cell: string;
    /** Its residency; with one it has a record of its own, whatever its tier. */
    readonly region: string | null;
    readonly synthetic: boolean;
  }[];
}

const healthPath = "/readyz";

/** What to plan for: the registry's view of the fleet under a policy. Pure. */
export function dnsInputOf(fleet: DnsFleet, policy: DnsPolicy): DnsInput {
  const regionOf = new Map(fleet.cells.map(({ id, region }) => [id, region]));
  return {
    fleet: fleet.fleet,
    baseDomain: fleet.baseDomain,
    generation: fleet.generation,
    regions: regionsOf(fleet, policy),
    tenants: fleet.tenants.flatMap((tenant) => {
      const region = tenant.region ?? regionOf.get(tenant.cell);
      return region === undefined ? [] : tenantOf(tenant, region, fleet, policy);
    }),
    ttlSeconds: defaultTtlSeconds,
  };
}

/**
 * Reads `eu=192.0.2.1,192.0.2.2;us=198.51.100.1`.
 * @throws TypeError for what is no address.
 */
export function parseRouterAddresses(text: string): Readonly<Record<string, readonly string[]>> {
  const entries = text
    .split(";")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  return Object.fromEntries(
    entries.map((entry) => {
      const [region = "", list = ""] = entry.split("=").map((half) => half.trim());
      const addresses = list.split(",").map((address) => address.trim());
      const odd = addresses.find((address) => isIP(address) === 0);
      if (region === "" || odd !== undefined)
        throw new TypeError(`not a region with addresses: ${JSON.stringify(entry)}`);
      return [region, addresses];
    }),
  );
}

function regionsOf({ cells, routers }: DnsFleet, policy: DnsPolicy): readonly DnsRegion[] {
  const given = Object.entries(policy.routers);
  const names =
    given.length > 0 ? given.map(([region]) => region) : [...new Set(cells.map(({ region }) => region))].toSorted();
  const weight = Math.max(1, Math.floor(100 / Math.max(1, names.length)));
  return names.map((region) => ({
    region,
    weight,
    routers:
      given.length > 0
        ? (policy.routers[region] ?? []).map((address, n) =>
            endpoint(`${region}-${n + 1}`, [address], policy.routerHealthPort),
          )
        : routers.map(({ id, url }) => registered(id, url, url)),
  }));
}

function tenantOf(
  { slug, tier, cell, region: residency, synthetic }: DnsFleet["tenants"][number],
  region: string,
  { cells }: DnsFleet,
  policy: DnsPolicy,
): readonly DnsTenant[] {
  if (synthetic) return [];
  const isDirect = policy.directTiers.includes(tier);
  if (!isDirect && residency === null && !policy.ownRecordTiers.includes(tier)) return [];
  const at = isDirect ? cells.find(({ id }) => id === cell) : undefined;
  return [{ slug, region, cell: at === undefined ? null : registered(at.id, at.apiUrl, at.adminUrl) }];
}

/** An endpoint at the address that a part registered with; none where that is a name. */
function registered(id: string, url: string, healthUrl: string): Endpoint {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
  const { port } = new URL(healthUrl);
  return endpoint(id, isIP(host) === 0 ? [] : [host], port === "" ? 80 : Number(port));
}

function endpoint(id: string, addresses: readonly string[], healthPort: number): Endpoint {
  return { id, addresses, healthPort, healthPath };
}
