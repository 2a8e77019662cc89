import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../common/clock.ts";
import type { DnsApplied, DnsPlan } from "../../common/contracts/dns.ts";
import { applyDns, planAgainstZone } from "../dns/apply.ts";
import { dnsError } from "../dns/errors.ts";
import type { DnsInput } from "../dns/desired.ts";
import { pacedCalls, type PacedCalls } from "../dns/pacing.ts";
import { planDns } from "../dns/plan.ts";
import type { Route53 } from "../dns/route53.ts";

export interface ZoneSettings {
  /** Id of the hosted zone; empty where none is configured. */
  readonly zoneId: string;
  /** Another address than AWS's own; empty: AWS. */
  readonly endpoint: string;
}

/** The hosted zone that the fleet's records go to. */
export interface HostedZone {
  /** What would change. Without a zone or credentials the plan shows all that is wanted. */
  plan(input: DnsInput): Promise<DnsPlan>;
  /** @throws dns-not-configured, and what `applyDns` throws */
  apply(input: DnsInput, planHash: string | null): Promise<DnsApplied>;
}

/** AWS's client is loaded when it is first needed: most fleets on one machine never do. */
export function createHostedZone({ zoneId, endpoint }: ZoneSettings, clock: Clock): HostedZone {
  async function withRoute53<Result>(work: (route53: Route53, paced: PacedCalls) => Promise<Result>): Promise<Result> {
    const { connectRoute53 } = await import("../dns/route53.ts");
    const paced = pacedCalls({ sleep, monotonic: () => clock.monotonic(), random: () => Math.random() });
    const route53 = connectRoute53({ endpoint: endpoint === "" ? null : endpoint, credentials: null }, paced);
    try {
      return await work(route53, paced);
    } finally {
      route53.close();
    }
  }

  return {
    async plan(input) {
      if (zoneId === "") return planDns(input, null);
      try {
        return await withRoute53((route53) => planAgainstZone(route53, zoneId, input));
      } catch (error) {
        if ((error as { code?: unknown }).code !== "dns-credentials-missing") throw error;
        return planDns(input, null);
      }
    },
    async apply(input, planHash) {
      if (zoneId === "") throw dnsError("dns-not-configured", "ROUTE53_ZONE_ID is empty");
      return await withRoute53((route53, paced) => applyDns({ route53, paced, sleep }, zoneId, input, planHash));
    },
  };
}
