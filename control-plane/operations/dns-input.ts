import { defaultTtlSeconds, type DnsInput, type DnsRegion, type DnsTenant, type Endpoint } from "../dns/desired.ts";
import type { Part } from "../../common/contracts/control-plane.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { currentPosition } from "../fleet/publication.store.ts";
import { listCells } from "../registry/cells.store.ts";
import { listParts } from "../registry/parts.store.ts";
import { readSettings } from "../registry/settings.store.ts";
import { tenantsOfTier } from "../registry/tenants.store.ts";

export interface DnsSettings {
  /** Tells this fleet's records from those of others. */
  readonly fleet: string;
  /** `eu=203.0.113.10,203.0.113.11;us=203.0.113.20`; empty: the registered routers' own addresses, for every region that has cells. */
  readonly routers: string;
  readonly healthPort: number;
  readonly healthPath: string;
}

/** All regions draw alike until somebody says otherwise. */
const regionWeight = 100;
/** A zone holds 10,000 records unless AWS raises it; these leave room for the rest. */
const tenantLimit = 5_000;

/** What of the registry bears on DNS: routers by region, and the tenants that have records of their own. */
export async function dnsInput(pool: Pool, settings: DnsSettings): Promise<DnsInput> {
  const [position, { baseDomain }, cells, parts, enterprise] = await Promise.all([
    currentPosition(pool),
    readSettings(pool),
    listCells(pool),
    listParts(pool),
    tenantsOfTier(pool, "enterprise", tenantLimit),
  ]);
  const regionOfCell = new Map(cells.map(({ id, region }) => [id, region]));
  const tenants = enterprise.map(({ slug, cell }): DnsTenant => ({
    slug,
    region: regionOfCell.get(cell) ?? "",
    cell: null,
  }));
  const regions =
    settings.routers === ""
      ? registeredRouters(parts, [...new Set(regionOfCell.values())].toSorted())
      : parseRouters(settings);
  const { term, n } = position;
  return {
    fleet: settings.fleet,
    baseDomain,
    generation: { term, n },
    regions,
    tenants,
    ttlSeconds: defaultTtlSeconds,
  };
}

/** Routers serve every tenant wherever they stand, so that without other word each stands for every region. */
function registeredRouters(parts: readonly Part[], regions: readonly string[]): DnsRegion[] {
  const routers = parts.flatMap(({ id, role, url }): Endpoint[] => {
    if (role !== "router" || url === null) return [];
    const { hostname, port } = new URL(url);
    return [{ id, addresses: [hostname.replace(/^\[|\]$/g, "")], healthPort: Number(port), healthPath: "/readyz" }];
  });
  return regions.map((region) => ({ region, weight: regionWeight, routers }));
}

/** @throws TypeError when the text is not as `DnsSettings.routers` says; checked at boot. */
export function parseRouters({ routers, healthPort, healthPath }: DnsSettings): DnsRegion[] {
  return routers.split(";").map((text) => {
    const { region, addresses } =
      /^(?<region>[a-z][a-z0-9-]*)=(?<addresses>[0-9a-f.:]+(,[0-9a-f.:]+)*)$/.exec(text.trim())?.groups ?? {};
    if (region === undefined || addresses === undefined)
      throw new TypeError(`not <region>=<address>,…: ${text.slice(0, 80)}`);
    const endpoints = addresses
      .split(",")
      .map((address, n) => ({ id: `${region}-${n + 1}`, addresses: [address], healthPort, healthPath }));
    return { region, weight: regionWeight, routers: endpoints };
  });
}
