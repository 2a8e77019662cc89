import { type Measure, mergeMeasures } from "../merge/measure.ts";
import { measureOf } from "../merge/wire.ts";
import type { MergeKind } from "../../common/contracts/rollups.ts";
import type { CellId, TenantId } from "../../common/ids.ts";

/** One tenant's part of an answer, as one source tells it. */
export interface TenantPart {
  readonly tenant: TenantId;
  readonly epoch: number;
  readonly cell: CellId;
  readonly slug: string;
  readonly tier: string;
  readonly measure: Measure;
}

/**
 * Every tenant once: while one moves, two cells may tell of it, and only the word of the highest epoch counts (I3).
 */
export function oncePerTenant(parts: readonly TenantPart[]): readonly TenantPart[] {
  const owners = new Map<TenantId, TenantPart>();
  for (const part of parts) {
    const known = owners.get(part.tenant);
    if (known === undefined || part.epoch > known.epoch) owners.set(part.tenant, part);
  }
  return [...owners.values()];
}

/**
 * A tenant's value of a span of time, from what a cell told live. A cell that counts its distinct members itself, exactly and within one
 * tenant, sends a plain number, which may then be added up over tenants.
 * @throws malformed-value
 */
export function liveMeasure(merge: MergeKind, value: unknown): Measure {
  if (merge === "distinct" && typeof value === "number") return { kind: "distinct-count", value };
  return overTenants(measureOf(merge, value));
}

/** A tenant's value of a span of time, from its hours. @throws malformed-value */
export function rollupMeasure(merge: MergeKind, hours: readonly unknown[]): Measure {
  return overTenants(
    mergeMeasures(
      merge,
      "buckets",
      hours.map((value) => measureOf(merge, value)),
    ),
  );
}

/** Users belong to one tenant: from here on distinct ones are counts, which add up exactly. */
function overTenants(measure: Measure): Measure {
  return measure.kind === "distinct" ? mergeMeasures("distinct", "tenants", [measure]) : measure;
}
