import { canonicalJson, digestOf } from "../../common/canonical.ts";
import type { DnsChange, DnsMarker, DnsPlan, DnsRecord } from "../../common/contracts/dns.ts";
import { batchesOf } from "./batches.ts";
import { type DnsInput, desiredDns } from "./desired.ts";
import { dnsError } from "./errors.ts";
import { compareGenerations } from "./marker.ts";

/** What a hosted zone holds below the base domain. */
export interface ZoneState {
  readonly records: readonly DnsRecord[];
  /** Names with records that are not ours: other routing, or no identifier of ours. */
  readonly foreign: readonly { readonly name: string; readonly type: string }[];
  /** References of the fleet's health checks. */
  readonly healthChecks: readonly string[];
  readonly marker: DnsMarker | null;
}

const emptyZone: ZoneState = { records: [], foreign: [], healthChecks: [], marker: null };

/**
 * Plans what brings a zone to what the registry wants. Pure: same input, same plan.
 * @param zone null when it cannot be read: then the plan shows all that is wanted.
 * @throws `dns-no-routers`; `dns-plan-older` when the zone is at a newer generation; `dns-other-fleet` when it is another fleet's.
 */
export function planDns(input: DnsInput, zone: ZoneState | null): DnsPlan {
  const desired = desiredDns(input);
  const hash = digestOf({ records: desired.records, healthChecks: desired.healthChecks });
  const current = zone ?? emptyZone;
  checkMarker(input, current.marker);

  const changes = changesOf(desired.records, current.records);
  const wanted = desired.healthChecks.map(({ reference }) => reference);
  const isApplied = current.marker?.state === "applied" && current.marker.plan === planName(hash);
  return {
    fleet: input.fleet,
    baseDomain: input.baseDomain,
    generation: input.generation,
    hash,
    records: [...desired.records],
    healthChecks: [...desired.healthChecks],
    zoneRead: zone !== null,
    applied: current.marker,
    changes,
    batches: batchesOf(changes),
    healthChecksToCreate: wanted.filter((reference) => !current.healthChecks.includes(reference)),
    healthChecksToDelete: current.healthChecks.filter((reference) => !wanted.includes(reference)),
    drift: isApplied ? changes : [],
    conflicts: conflictsOf(desired.records, current),
  };
}

/** How a marker names a plan: the beginning of its hash, for a TXT string holds 255 characters. */
export function planName(hash: string): string {
  return hash.slice(0, 32);
}

/** Records are the same when Route 53 would not tell them apart; the order of addresses means nothing. */
export function sameRecord(a: DnsRecord, b: DnsRecord): boolean {
  return canonicalJson(inOrder(a)) === canonicalJson(inOrder(b));
}

function checkMarker(input: DnsInput, marker: DnsMarker | null): void {
  if (marker === null) return;
  if (marker.fleet !== input.fleet) {
    throw dnsError("dns-other-fleet", `${input.baseDomain} belongs to the fleet ${marker.fleet}`);
  }
  if (compareGenerations(input.generation, marker.generation) < 0) {
    const [own, other] = [input.generation, marker.generation];
    throw dnsError("dns-plan-older", `the plan is of ${own.term}.${own.n}, the zone at ${other.term}.${other.n}`);
  }
}

/** Upserts in the order of the wanted records (targets first), then deletions in the reverse of the current order. */
function changesOf(desired: readonly DnsRecord[], current: readonly DnsRecord[]): DnsChange[] {
  const present = new Map(current.map((record) => [keyOf(record), record]));
  const wanted = new Set(desired.map(keyOf));
  const upserts = desired.flatMap((record): DnsChange[] => {
    const known = present.get(keyOf(record));
    if (known === undefined) return [{ action: "UPSERT", record, why: "missing" }];
    return sameRecord(known, record) ? [] : [{ action: "UPSERT", record, why: "differs" }];
  });
  const deletions = current
    .filter((record) => !wanted.has(keyOf(record)))
    .toSorted((a, b) => depth(a) - depth(b))
    .map((record): DnsChange => ({ action: "DELETE", record, why: "not-wanted" }));
  return [...upserts, ...deletions];
}

// What points at others goes before what is pointed at: tenants and the wildcard, then entries, then routers.
function depth({ name }: DnsRecord): number {
  if (name.includes("._routers.")) return 2;
  return name.includes("._entry.") ? 1 : 0;
}

function conflictsOf(desired: readonly DnsRecord[], zone: ZoneState): DnsPlan["conflicts"] {
  // A CNAME tolerates no other record beside it, whatever the type.
  const isHit = (foreign: { name: string; type: string }): boolean =>
    desired.some(({ name, type }) => name === foreign.name && (type === foreign.type || foreign.type === "CNAME"));
  return zone.foreign.filter(isHit).map(({ name, type }) => ({ name, type }));
}

function keyOf({ name, type, identifier }: DnsRecord): string {
  return `${name} ${type} ${identifier}`;
}

function inOrder(record: DnsRecord): DnsRecord {
  const { target } = record;
  return target.kind === "alias" ? record : { ...record, target: { ...target, values: target.values.toSorted() } };
}
