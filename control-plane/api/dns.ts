import { ApplyDns, DnsApplied, DnsPlan } from "../../common/contracts/dns.ts";
import type { Server } from "../../common/http/server.ts";
import { personOf } from "../auth/access.ts";
import { dnsInput } from "../operations/dns-input.ts";
import { change } from "../registry/change.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";

/** Route 53: planned from the registry, applied by compare-and-set on what the zone holds. */
export function dnsRoutes(server: Server, context: ApiContext): void {
  const { pool, zone, dns } = context;

  server.route({
    method: "GET",
    url: "/v1/dns/plan",
    config: { access: "viewer" },
    schema: { summary: "Plan the fleet's DNS records; needs no credentials", response: answers(DnsPlan) },
    handler: async () => await zone.plan(await dnsInput(pool, dns)),
  });

  server.route({
    method: "POST",
    url: "/v1/dns/apply",
    config: { access: "admin" },
    schema: {
      summary: "Bring the plan into Route 53; answers when all its name servers have it",
      body: ApplyDns,
      response: answers(DnsApplied),
    },
    handler: async (request) => {
      const { planHash, reason } = request.body;
      const input = await dnsInput(pool, dns);
      const applied = await zone.apply(input, planHash ?? null);
      await change(context, { actor: personOf(request).name, reason }, async (step) =>
        step.audit("dns.apply", `${input.baseDomain} ${applied.marker.plan}`),
      );
      return applied;
    },
  });
}
