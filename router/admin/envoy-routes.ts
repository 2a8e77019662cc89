import Type from "typebox";
import { Problem } from "../../common/contracts/problem.ts";
import { httpError } from "../../common/http/errors.ts";
import type { Server } from "../../common/http/server.ts";
import type { AdminOptions } from "./options.ts";
import { clusterType, envoyClusters, envoyRoutes, routesType, type EnvoySource } from "./envoy.ts";

/** More hosts than this are no business of one route configuration: Envoy would take minutes and gigabytes. */
const mostTenants = 100_000;

/** What is read of a DiscoveryRequest; Envoy sends more about itself. */
const DiscoveryRequest = Type.Object({ version_info: Type.Optional(Type.String()) });
const DiscoveryResponse = Type.Object(
  {
    version_info: Type.String(),
    resources: Type.Array(Type.Unknown()),
    type_url: Type.String(),
  },
  { $id: "DiscoveryResponse", additionalProperties: false },
);

/**
 * Clusters and routes for those who run Envoy, read-only: in its REST xDS form (POST, with a DiscoveryRequest; 304 when it has this version) and for
 * its files (GET, the same document).
 */
export function envoyExport(server: Server, options: AdminOptions): void {
  const kinds = [
    { name: "clusters", type: clusterType, resources: (source: EnvoySource) => envoyClusters(source) },
    { name: "routes", type: routesType, resources: (source: EnvoySource) => [envoyRoutes(source)] },
  ];
  for (const { name, type, resources } of kinds) {
    const document = () => {
      const source = sourceOf(options);
      const { term, n } = source.generation;
      return { version_info: `${term}.${n}`, resources: resources(source), type_url: type };
    };
    const url = `/v3/discovery:${name}`.replace(":", "::");
    const answers = { 200: DiscoveryResponse, 304: Type.Null(), 503: Problem };
    server.get(url, { schema: { summary: `Envoy's ${name}, for a file`, response: answers } }, async () => document());
    server.post(
      url,
      { schema: { summary: `Envoy's ${name} (REST xDS)`, body: DiscoveryRequest, response: answers } },
      async (request, reply) => {
        const made = document();
        const { version_info: known } = request.body as { version_info?: string };
        if (known !== made.version_info) return made;
        return reply.code(304).send(null);
      },
    );
  }
}

function sourceOf({ parts, subscription }: AdminOptions): EnvoySource {
  const generation = subscription.status.generation;
  const { baseDomain } = parts.table;
  if (generation === null || baseDomain === null) throw httpError("unavailable", "There is no fleet document yet.");
  if (parts.table.tenants > mostTenants)
    throw httpError("unavailable", `At most ${mostTenants} tenants are exported to Envoy; there are more.`);
  return {
    generation,
    baseDomain,
    cells: parts.table.cells(),
    liveSlot: (cell) => parts.liveSlots.of(cell),
    tenants: parts.table.allTenants(),
  };
}
