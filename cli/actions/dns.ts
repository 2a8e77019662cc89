import type { ApplyDns, DnsApplied, DnsChange, DnsPlan, DnsRecord } from "../../common/contracts/dns.ts";
import type { Answer, Context } from "../context.ts";
import { facts, table } from "../text.ts";

/** Route 53 tells its name servers within a minute as a rule; the control plane itself gives up after five for each of few batches. */
const applyLimitMs = 20 * 60_000;

/** `dns plan` */
export async function planDns(context: Context): Promise<Answer> {
  const plane = await context.controlPlane();
  const plan = await plane.get<DnsPlan>("/v1/dns/plan");
  return { json: plan, text: planText(plan) };
}

/** `dns apply` */
export async function applyDns(
  context: Context,
  input: { readonly plan?: string; readonly reason?: string },
): Promise<Answer> {
  const plane = await context.controlPlane();
  const body: ApplyDns = {
    ...(input.plan === undefined ? {} : { planHash: input.plan }),
    ...(input.reason === undefined ? {} : { reason: input.reason }),
  };
  const applied = await plane.post<DnsApplied>("/v1/dns/apply", body, applyLimitMs);
  const { marker } = applied;
  const text = facts([
    ["generation", `${marker.generation.term}.${marker.generation.n}, ${marker.state}`],
    ["records", `${applied.upserted} brought in, ${applied.deleted} removed, in ${applied.batches} batches`],
    ["health checks", `${applied.healthChecksCreated} made, ${applied.healthChecksDeleted} removed`],
    ["retries", applied.retries],
  ]);
  return { json: applied, text };
}

function planText(plan: DnsPlan): string {
  const { applied } = plan;
  const head = facts([
    ["domain", plan.baseDomain],
    ["generation", `${plan.generation.term}.${plan.generation.n}`],
    ["plan", plan.hash],
    [
      "zone",
      plan.zoneRead
        ? applied === null
          ? "nothing applied yet"
          : `at ${applied.generation.term}.${applied.generation.n}, ${applied.state}`
        : "not read (no zone or no credentials): all records count as missing",
    ],
    ["records", plan.records.length],
    [
      "health checks",
      `${plan.healthChecks.length} (${plan.healthChecksToCreate.length} to make, ${plan.healthChecksToDelete.length} to remove)`,
    ],
  ]);
  const changes =
    plan.changes.length === 0
      ? "Nothing to change."
      : table(["CHANGE", "WHY", "NAME", "TYPE", "ROUTING", "TARGET", "HEALTH CHECK"], plan.changes.map(changeRow));
  const conflicts = plan.conflicts.map(
    ({ name, type }) => `OCCUPIED  ${name} ${type}: a record that is not ours; nothing is applied while it is there`,
  );
  const drift =
    plan.drift.length === 0
      ? []
      : [`DRIFT  ${plan.drift.length} records were changed by somebody else since this plan was applied`];
  return [head, "", changes, ...conflicts, ...drift].join("\n");
}

function changeRow({ action, why, record }: DnsChange): string[] {
  return [action, why, record.name, record.type, routingText(record), targetText(record), record.healthCheck ?? "-"];
}

function routingText({ routing }: DnsRecord): string {
  return routing.kind === "weighted" ? `weight ${routing.weight}` : `failover ${routing.role}`;
}

function targetText({ target }: DnsRecord): string {
  return target.kind === "alias" ? `alias of ${target.name}` : `${target.values.join(" ")} (${target.ttlSeconds} s)`;
}
