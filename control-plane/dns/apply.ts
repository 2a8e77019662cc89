import type { Change, ResourceRecordSet } from "@aws-sdk/client-route-53";
import type { DnsApplied, DnsChange, DnsMarker, DnsPlan } from "../../common/contracts/dns.ts";
import { CellplaneError } from "../../common/errors.ts";
import type { DnsInput } from "./desired.ts";
import { dnsError } from "./errors.ts";
import { compareGenerations, markerText } from "./marker.ts";
import { markerName } from "./names.ts";
import { nameOf, type PacedCalls } from "./pacing.ts";
import { planDns, planName } from "./plan.ts";
import type { Route53 } from "./route53.ts";
import { readZone, recordSetOf, type Zone } from "./zone.ts";

export interface DnsTools {
  readonly route53: Route53;
  readonly paced: PacedCalls;
  readonly sleep: (ms: number) => Promise<void>;
}

// Route 53 says that changes reach all name servers within a minute as a rule; five is when something is wrong.
const syncPollMs = 2_000;
const maxSyncPolls = 150;

const markerTtlSeconds = 60;

/**
 * Brings a hosted zone to what the registry wants: health checks first, then the batches in order, each awaited until
 * all name servers have it, then the health checks that nothing needs any more.
 *
 * Each batch replaces the marker (a TXT record with generation and serial) by naming its old value: Route 53 applies a
 * batch wholly or not at all, so that this is a compare-and-set. Of two at once one is refused, and a late, older plan
 * always is. A plan cut short is gone on with by the next one of the same or a newer generation.
 * @param planHash the plan that was looked at; null for whatever is planned now.
 * @throws `dns-plan-older`, `dns-plan-differs`, `dns-zone-changed`, `dns-name-occupied`, `dns-other-fleet`, `dns-no-routers`,
 *   `dns-credentials-missing`, `dns-refused`, `dns-unavailable`
 */
export async function applyDns(
  tools: DnsTools,
  zoneId: string,
  input: DnsInput,
  planHash: string | null,
): Promise<DnsApplied> {
  try {
    const zone = await readZone(tools.route53, zoneId, input.fleet, input.baseDomain);
    const plan = planDns(input, zone.state);
    checkApplicable(plan, zone, planHash);
    return await execute(tools, zone, plan);
  } catch (error) {
    throw told(error);
  }
}

/**
 * The plan against what the zone holds now: also the drift view.
 * @throws as `applyDns`, but nothing about conflicts, which the plan lists.
 */
export async function planAgainstZone(route53: Route53, zoneId: string, input: DnsInput): Promise<DnsPlan> {
  try {
    const zone = await readZone(route53, zoneId, input.fleet, input.baseDomain);
    return planDns(input, zone.state);
  } catch (error) {
    throw told(error);
  }
}

async function execute(tools: DnsTools, zone: Zone, plan: DnsPlan): Promise<DnsApplied> {
  const { route53, paced } = tools;
  const retriesBefore = paced.retries();
  const healthCheckIds = new Map(zone.healthCheckIds);
  for (const check of plan.healthChecks.filter(({ reference }) => plan.healthChecksToCreate.includes(reference))) {
    healthCheckIds.set(check.reference, await route53.createHealthCheck(check));
  }

  const batches = plan.batches.map((indices) => indices.flatMap((index) => plan.changes[index] ?? []));
  if (batches.length === 0 && !isMarked(plan)) batches.push([]);
  let marker = plan.applied;
  let held = zone.listedMarker;
  for (const [n, batch] of batches.entries()) {
    marker = markerAfter(plan, marker, n === batches.length - 1);
    const next = markerSet(plan.baseDomain, marker);
    const changes = batch.map((change) => changeOf(change, zone, healthCheckIds));
    await applyBatch(tools, zone, plan, [...swap(held, next), ...changes], markerText(marker));
    held = next;
  }

  for (const reference of plan.healthChecksToDelete) {
    const id = healthCheckIds.get(reference);
    if (id !== undefined) await route53.deleteHealthCheck(id);
  }
  const count = (action: DnsChange["action"]): number =>
    plan.changes.filter((change) => change.action === action).length;
  return {
    marker: marker ?? markerAfter(plan, null, true),
    batches: batches.length,
    upserted: count("UPSERT"),
    deleted: count("DELETE"),
    healthChecksCreated: plan.healthChecksToCreate.length,
    healthChecksDeleted: plan.healthChecksToDelete.length,
    retries: paced.retries() - retriesBefore,
  };
}

async function applyBatch(
  tools: DnsTools,
  zone: Zone,
  plan: DnsPlan,
  changes: readonly Change[],
  marked: string,
): Promise<void> {
  const comment = `cellplane ${plan.fleet} ${plan.generation.term}.${plan.generation.n}`;
  let changeId: string;
  try {
    changeId = await tools.route53.change(zone.id, comment, changes);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const now = await readZone(tools.route53, zone.id, plan.fleet, plan.baseDomain);
    const held = now.listedMarker?.ResourceRecords?.[0]?.Value;
    // The batch had been taken, only its answer was lost: the second try found the marker swapped, by ourselves.
    if (held === marked) return;
    const expected = changes.find(({ Action }) => Action === "DELETE")?.ResourceRecordSet?.ResourceRecords?.[0]?.Value;
    if (held === expected) throw error;
    throw dnsError("dns-zone-changed", "the zone's marker is not the one that the plan was made from", {
      cause: error,
    });
  }
  await awaitSync(tools, changeId);
}

async function awaitSync({ route53, sleep }: DnsTools, changeId: string): Promise<void> {
  for (let polls = 0; polls < maxSyncPolls; polls += 1) {
    if (await route53.isInSync(changeId)) return;
    await sleep(syncPollMs);
  }
  throw dnsError("dns-unavailable", `change ${changeId} is not in sync after ${(maxSyncPolls * syncPollMs) / 1_000} s`);
}

function checkApplicable(plan: DnsPlan, zone: Zone, planHash: string | null): void {
  if (planHash !== null && planHash !== plan.hash) {
    throw dnsError("dns-plan-differs", `looked at was ${planHash}, planned now is ${plan.hash}`);
  }
  const marker = markerName(plan.baseDomain);
  const taken = [...plan.conflicts, ...zone.state.foreign.filter(({ name }) => name === marker)];
  if (taken.length > 0) {
    throw dnsError("dns-name-occupied", taken.map(({ name, type }) => `${name} ${type}`).join(", "));
  }
}

/** Whether the zone says already that it is at this plan's generation and content. */
function isMarked({ applied, generation, hash }: DnsPlan): boolean {
  if (applied === null || applied.state !== "applied" || applied.plan !== planName(hash)) return false;
  return compareGenerations(applied.generation, generation) === 0;
}

function markerAfter(plan: DnsPlan, previous: DnsMarker | null, last: boolean): DnsMarker {
  return {
    fleet: plan.fleet,
    generation: plan.generation,
    serial: (previous?.serial ?? 0) + 1,
    plan: planName(plan.hash),
    state: last ? "applied" : "applying",
  };
}

function markerSet(baseDomain: string, marker: DnsMarker): ResourceRecordSet {
  return {
    Name: markerName(baseDomain),
    Type: "TXT",
    TTL: markerTtlSeconds,
    ResourceRecords: [{ Value: markerText(marker) }],
  };
}

/** CREATE fails where a marker is, DELETE where another one is than was read: together the compare-and-set. */
function swap(held: ResourceRecordSet | null, next: ResourceRecordSet): readonly Change[] {
  const removal: Change[] = held === null ? [] : [{ Action: "DELETE", ResourceRecordSet: held }];
  return [...removal, { Action: "CREATE", ResourceRecordSet: next }];
}

function changeOf(change: DnsChange, zone: Zone, healthCheckIds: ReadonlyMap<string, string>): Change {
  const { action, record } = change;
  const listed = zone.listed.get(record.identifier);
  if (action === "DELETE" && listed !== undefined) return { Action: action, ResourceRecordSet: listed };
  return { Action: action, ResourceRecordSet: recordSetOf(record, zone, healthCheckIds) };
}

function told(error: unknown): unknown {
  if (error instanceof CellplaneError) return error;
  if (nameOf(error) === "CredentialsProviderError") {
    return dnsError("dns-credentials-missing", "the AWS SDK found no credentials", { cause: error });
  }
  return isRefusal(error) ? dnsError("dns-refused", `Route 53 answered ${nameOf(error)}`, { cause: error }) : error;
}

/**
 * Whether the other side refused, as against a fault of ours. Its code is no help with batches: some refusals come as
 * an `InvalidChangeBatch` document instead of an `ErrorResponse`, which the SDK calls `Unknown`.
 */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && "$fault" in error;
}
