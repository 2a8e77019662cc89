import { internalHeaders } from "../../common/contracts/headers.ts";
import type { CellRow, Generation, TenantRow } from "../../common/contracts/fleet.ts";
import type { Slot } from "../../common/contracts/lease.ts";
import type { CellId } from "../../common/ids.ts";

export const clusterType = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
export const routesType = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";

/** Name of the only route configuration. */
const routesName = "cellplane";

/** What is exported: the table as it is now. */
export interface EnvoySource {
  readonly generation: Generation;
  readonly baseDomain: string;
  readonly cells: Iterable<CellRow>;
  readonly liveSlot: (cell: CellId) => Slot;
  readonly tenants: Iterable<TenantRow>;
}

/**
 * Cells as clusters: the live slot first, the other one behind it, turned to when connections to the first fail. A cell's own 5xx eject nothing: they
 * are its tenants' business.
 * @see https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/cluster.proto
 */
export function envoyClusters({ cells, liveSlot }: EnvoySource): object[] {
  return [...cells].map((cell) => {
    const live = liveSlot(cell.id);
    const order: Slot[] = live === "a" ? ["a", "b"] : ["b", "a"];
    return {
      "@type": clusterType,
      name: cell.id,
      type: "STRICT_DNS",
      connect_timeout: "1s",
      load_assignment: {
        cluster_name: cell.id,
        endpoints: order.map((slot, priority) => ({
          priority,
          lb_endpoints: [{ endpoint: { address: addressOf(cell.slots[slot].url) } }],
        })),
      },
      outlier_detection: {
        split_external_local_origin_errors: true,
        consecutive_local_origin_failure: 3,
        enforcing_consecutive_5xx: 0,
        enforcing_consecutive_gateway_failure: 0,
        enforcing_success_rate: 0,
        base_ejection_time: "1s",
      },
      metadata: {
        filter_metadata: {
          cellplane: { region: cell.region, cordoned: cell.cordoned, release: cell.release, live_slot: live },
        },
      },
    };
  });
}

/**
 * Hosts as virtual hosts: those of a cell's active tenants go to its cluster; those that are suspended or being set up are answered at once.
 * @see https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route.proto
 */
export function envoyRoutes({ generation, baseDomain, tenants }: EnvoySource): object {
  const domains = new Map<string, string[]>();
  for (const tenant of tenants) {
    const group = tenant.state === "active" ? tenant.cell : tenant.state;
    const known = domains.get(group) ?? [];
    known.push(`${tenant.slug}.${baseDomain}`, ...tenant.domains.map((domain) => domain.toLowerCase()));
    domains.set(group, known);
  }
  return {
    "@type": routesType,
    name: routesName,
    virtual_hosts: [...domains].toSorted(byName).map(([group, hosts]) => ({
      name: group,
      domains: hosts,
      routes: [{ match: { prefix: "/" }, ...actionOf(group) }],
    })),
    ignore_port_in_host_matching: true,
    request_headers_to_remove: Object.values(internalHeaders),
    response_headers_to_remove: Object.values(internalHeaders),
    metadata: { filter_metadata: { cellplane: { term: generation.term, n: generation.n } } },
  };
}

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);

function actionOf(group: string): object {
  if (group === "suspended") return { direct_response: { status: 403, body: { inline_string: "suspended\n" } } };
  if (group === "provisioning") return { direct_response: { status: 503, body: { inline_string: "set up soon\n" } } };
  // Streams last as long as they like; how long an answer may take is the cell's to say.
  return { route: { cluster: group, timeout: "0s" } };
}

function addressOf(url: string): object {
  const { hostname, port, protocol } = new URL(url);
  const standard = protocol === "https:" ? 443 : 80;
  return {
    socket_address: { address: hostname.replace(/^\[|\]$/g, ""), port_value: port === "" ? standard : Number(port) },
  };
}
