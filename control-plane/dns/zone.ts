import type { ResourceRecordSet } from "@aws-sdk/client-route-53";
import type { DnsMarker, DnsRecord } from "../../common/contracts/dns.ts";
import { healthCheckPrefix } from "./desired.ts";
import { parseMarker } from "./marker.ts";
import { identifierPrefix, markerName, plainName } from "./names.ts";
import type { ZoneState } from "./plan.ts";
import type { Route53 } from "./route53.ts";

/** A zone as it was read: what planning sees, and what applying needs of it. */
export interface Zone {
  readonly id: string;
  readonly state: ZoneState;
  /** Record sets as listed, by identifier: Route 53 deletes only what is named with all its values. */
  readonly listed: ReadonlyMap<string, ResourceRecordSet>;
  readonly listedMarker: ResourceRecordSet | null;
  /** Health check ids by reference. */
  readonly healthCheckIds: ReadonlyMap<string, string>;
}

/** Reads what a hosted zone holds below the base domain. */
export async function readZone(route53: Route53, zoneId: string, fleet: string, baseDomain: string): Promise<Zone> {
  const checks = (await route53.listHealthChecks()).filter(({ reference }) =>
    reference.startsWith(healthCheckPrefix(fleet)),
  );
  const references = new Map(checks.map(({ id, reference }) => [id, reference]));
  const below = (await route53.listRecords(zoneId)).filter(({ Name }) => isBelow(plainName(Name ?? ""), baseDomain));

  const records: DnsRecord[] = [];
  const foreign: { name: string; type: string }[] = [];
  const listed = new Map<string, ResourceRecordSet>();
  let marker: DnsMarker | null = null;
  let listedMarker: ResourceRecordSet | null = null;
  for (const set of below) {
    const found = markerOf(set, baseDomain);
    const record = found === null ? recordOf(set, references) : null;
    if (found !== null) {
      marker = found;
      listedMarker = set;
    } else if (record !== null) {
      records.push(record);
      listed.set(record.identifier, set);
    } else {
      foreign.push({ name: plainName(set.Name ?? ""), type: set.Type ?? "" });
    }
  }
  return {
    id: zoneId,
    state: { records, foreign, healthChecks: checks.map(({ reference }) => reference), marker },
    listed,
    listedMarker,
    healthCheckIds: new Map(checks.map(({ id, reference }) => [reference, id])),
  };
}

/** The record set that Route 53 should hold for a record of ours. */
export function recordSetOf(
  record: DnsRecord,
  zone: Pick<Zone, "id">,
  healthCheckIds: ReadonlyMap<string, string>,
): ResourceRecordSet {
  const { name, type, identifier, routing, target } = record;
  const healthCheckId = record.healthCheck === null ? undefined : healthCheckIds.get(record.healthCheck);
  if (record.healthCheck !== null && healthCheckId === undefined)
    throw new TypeError(`no health check ${record.healthCheck}`);
  return {
    Name: name,
    Type: type,
    SetIdentifier: identifier,
    ...(routing.kind === "weighted" ? { Weight: routing.weight } : { Failover: routing.role }),
    ...(target.kind === "alias"
      ? {
          AliasTarget: {
            HostedZoneId: bareId(zone.id),
            DNSName: target.name,
            EvaluateTargetHealth: target.takesHealth,
          },
        }
      : { TTL: target.ttlSeconds, ResourceRecords: target.values.map((Value) => ({ Value })) }),
    ...(healthCheckId === undefined ? {} : { HealthCheckId: healthCheckId }),
  };
}

function recordOf(set: ResourceRecordSet, references: ReadonlyMap<string, string>): DnsRecord | null {
  const { Name: name, Type: type, SetIdentifier: identifier } = set;
  const routing = routingOf(set);
  const target = targetOf(set);
  if (name === undefined || (type !== "A" && type !== "AAAA") || routing === null || target === null) return null;
  if (identifier === undefined || !identifier.startsWith(identifierPrefix)) return null;
  // A health check that is not ours still makes the record differ from what is wanted.
  const healthCheck = set.HealthCheckId === undefined ? null : (references.get(set.HealthCheckId) ?? set.HealthCheckId);
  return { name: plainName(name), type, identifier, routing, target, healthCheck };
}

function routingOf({ Weight, Failover }: ResourceRecordSet): DnsRecord["routing"] | null {
  if (Weight !== undefined) return { kind: "weighted", weight: Weight };
  return Failover === undefined ? null : { kind: "failover", role: Failover };
}

function targetOf({ AliasTarget, ResourceRecords, TTL }: ResourceRecordSet): DnsRecord["target"] | null {
  if (AliasTarget !== undefined) {
    return {
      kind: "alias",
      name: plainName(AliasTarget.DNSName ?? ""),
      takesHealth: AliasTarget.EvaluateTargetHealth === true,
    };
  }
  if (ResourceRecords === undefined || TTL === undefined) return null;
  return { kind: "addresses", ttlSeconds: TTL, values: ResourceRecords.map(({ Value }) => Value ?? "") };
}

function markerOf(set: ResourceRecordSet, baseDomain: string): DnsMarker | null {
  if (set.Type !== "TXT" || plainName(set.Name ?? "") !== markerName(baseDomain)) return null;
  return parseMarker(set.ResourceRecords?.[0]?.Value ?? "");
}

function isBelow(name: string, baseDomain: string): boolean {
  return name.endsWith(`.${baseDomain}`);
}

/** Lists say `/hostedzone/Z123` where aliases want `Z123`. */
function bareId(zoneId: string): string {
  return zoneId.replace(/^\/hostedzone\//, "");
}
