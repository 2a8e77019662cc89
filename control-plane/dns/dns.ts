import type { DnsApplied, DnsPlan } from "../../common/contracts/dns.ts";
import { CellplaneError } from "../../common/errors.ts";
import { applyDns, planAgainstZone, type DnsTools } from "./apply.ts";
import type { DnsInput } from "./desired.ts";
import { dnsError } from "./errors.ts";
import { type Pace, pacedCalls } from "./pacing.ts";
import { planDns } from "./plan.ts";
import type { Route53Settings } from "./route53.ts";

export interface DnsSettings extends Route53Settings {
  /** The hosted zone that holds the base domain; null: plans are shown, nothing can be applied. */
  readonly zoneId: string | null;
}

/** DNS of one fleet. All its requests share one rate budget. */
export interface Dns {
  /**
   * The plan against what the zone holds; all of it where the zone cannot be read for want of a zone id or credentials.
   * @throws as `planAgainstZone`
   */
  plan(input: DnsInput): Promise<DnsPlan>;
  /** @throws `dns-not-configured`, and as `applyDns` */
  apply(input: DnsInput, planHash: string | null): Promise<DnsApplied>;
  close(): void;
}

/** Connects nothing before it is first used: the SDK takes longer to load than the rest of the control plane. */
export function createDns({ zoneId, ...settings }: DnsSettings, pace: Pace): Dns {
  let tools: Promise<DnsTools> | null = null;
  const connect = async (): Promise<DnsTools> => {
    const { connectRoute53 } = await import("./route53.ts");
    const paced = pacedCalls(pace);
    return { route53: connectRoute53(settings, paced), paced, sleep: pace.sleep };
  };
  const connected = (): Promise<DnsTools> => (tools ??= connect());

  return {
    async plan(input) {
      if (zoneId === null) return planDns(input, null);
      try {
        return await planAgainstZone((await connected()).route53, zoneId, input);
      } catch (error) {
        if (error instanceof CellplaneError && error.code === "dns-credentials-missing") return planDns(input, null);
        throw error;
      }
    },

    async apply(input, planHash) {
      if (zoneId === null) throw dnsError("dns-not-configured", `there is no hosted zone for ${input.baseDomain}`);
      return await applyDns(await connected(), zoneId, input, planHash);
    },

    close() {
      void tools?.then(({ route53 }) => route53.close());
    },
  };
}
