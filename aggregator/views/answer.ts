import { cannotMerge } from "../merge/errors.ts";
import { mergeMeasures } from "../merge/measure.ts";
import type { Grouping, QueryAnswer } from "../../common/contracts/rollups.ts";
import type { CellId } from "../../common/ids.ts";
import { oncePerTenant, type TenantPart } from "./part.ts";

export interface Question {
  readonly by: Grouping;
  /** Region of each cell. */
  readonly regions: ReadonlyMap<CellId, string>;
}

/**
 * Rows by group, the largest first, and their total. Pure.
 * @throws not-additive where the parts are of a kind whose numbers do not add up over tenants, mixed-kinds where they are of several.
 */
export function answerOf(question: Question, parts: readonly TenantPart[]): Pick<QueryAnswer, "rows" | "total"> {
  const groups = new Map<string, TenantPart[]>();
  const counted = oncePerTenant(parts).map(additive);
  for (const part of counted) {
    const key = keyOf(question, part);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [part]);
    else group.push(part);
  }
  const rows = [...groups].map(([key, group]) => ({ key, value: valueOf(group) }));
  return {
    rows: rows.toSorted((a, b) => b.value - a.value || (a.key < b.key ? -1 : 1)),
    total: valueOf(counted),
  };
}

function keyOf({ by, regions }: Question, part: TenantPart): string {
  switch (by) {
    case "tenant":
      return part.slug;
    case "tier":
      return part.tier;
    case "cell":
      return part.cell;
    case "region":
      return regions.get(part.cell) ?? "unknown";
    default:
      return by satisfies never;
  }
}

/**
 * A part as a sum. Members belong to one tenant, so that over tenants a cell's own count of them, live, and the count that its hours' sketches give, pushed,
 * add up alike.
 */
function additive(part: TenantPart): TenantPart {
  const { measure } = part;
  if (measure.kind === "distinct-count") return { ...part, measure: { kind: "sum", value: measure.value } };
  if (measure.kind === "sum") return part;
  throw cannotMerge("not-additive", `${measure.kind} over tenants is no number that adds up`);
}

function valueOf(parts: readonly TenantPart[]): number {
  const merged = mergeMeasures(
    "sum",
    "tenants",
    parts.map(({ measure }) => measure),
  );
  if (merged.kind === "sum") return merged.value;
  throw new TypeError(`a merge of sums is a ${merged.kind}`);
}
