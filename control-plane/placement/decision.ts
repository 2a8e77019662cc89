import type { CellId, TenantId } from "../../common/ids.ts";
import { type Dimension } from "./capacity.ts";
import type { Exclusion } from "./constraints.ts";
import type { Strategy } from "./policy.ts";

/** One cell of a decision: how well it suits, or why it was not considered. */
export type Candidate =
  | {
      readonly kind: "fits";
      readonly cell: CellId;
      /** Lower is better; comparable within one decision only. */
      readonly score: number;
      /** Share of usable capacity in use after placement, in the dimension that is tightest. */
      readonly utilisation: number;
      readonly dimension: Dimension;
    }
  | { readonly kind: "excluded"; readonly cell: CellId; readonly exclusion: Exclusion; readonly text: string };

/** Where a tenant goes, and every cell's part in that. Plain JSON, kept with the placement. */
export interface Decision {
  readonly tenant: TenantId;
  readonly cell: CellId;
  readonly strategy: Strategy;
  /** Best first, then the excluded ones. */
  readonly candidates: readonly Candidate[];
}
