import type { MergeKind } from "../../common/contracts/rollups.ts";

/** A question that can be asked over all cells: which aggregate answers it, and how its values merge. */
export interface View {
  readonly name: string;
  readonly aggregate: string;
  readonly merge: MergeKind;
}

export const views: Readonly<Record<string, View>> = {
  "active-users": { name: "active-users", aggregate: "active-users", merge: "distinct" },
  events: { name: "events", aggregate: "events", merge: "sum" },
};
