import { type MeasureKind, mergeMeasures } from "../merge/measure.ts";
import type { Grouping, MergeKind, QueryAnswer } from "../../common/contracts/rollups.ts";
import type { CellId } from "../../common/ids.ts";
import { oncePerTenant, type TenantPart } from "./part.ts";

export interface Question {
  readonly by: Grouping;
  readonly merge: MergeKind;
  /** Region of each cell. */
  readonly regions: ReadonlyMap<CellId, string>;
}

/** Rows by group, the largest first, and their total. Pure. */
export function answerOf(question: Question, parts: readonly TenantPart[]): Pick<QueryAnswer, "rows" | "total"> {
  const kind: MeasureKind = question.merge === "distinct" ? "distinct-count" : question.merge;
  const groups = new Map<string, TenantPart[]>();
  const counted = oncePerTenant(parts);
  for (const part of counted) {
    const key = keyOf(question, part);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [part]);
    else group.push(part);
  }
  const rows = [...groups].map(([key, group]) => ({ key, value: valueOf(kind, group) }));
  return {
    rows: rows.toSorted((a, b) => b.value - a.value || (a.key < b.key ? -1 : 1)),
    total: valueOf(kind, counted),
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

/** All views there are add up; a view of another kind would want rows of another shape. */
function valueOf(kind: MeasureKind, parts: readonly TenantPart[]): number {
  const merged = mergeMeasures(
    kind,
    "tenants",
    parts.map(({ measure }) => measure),
  );
  if (merged.kind === "sum" || merged.kind === "distinct-count") return merged.value;
  throw new TypeError(`rows hold numbers, and a ${merged.kind} is none`);
}
