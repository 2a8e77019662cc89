import type { DistinctSketch } from "../../aggregator/merge/distinct.ts";
import type { QuantileSketch } from "../../aggregator/merge/quantiles.ts";
import type { MergeKind } from "../../common/contracts/rollups.ts";
import type { Transaction } from "./tenant.store.ts";

/** What an aggregate of each kind gives: with it values of many tenants and hours can be merged without being wrong. */
export interface AggregateValues {
  readonly sum: number;
  /** Null where there is nothing to take the least or the greatest of. */
  readonly min: number | null;
  readonly max: number | null;
  /** A sketch, or for one tenant's whole range the exact number. */
  readonly distinct: DistinctSketch | number;
  readonly quantiles: QuantileSketch;
}

export interface Range {
  /** From this moment on, inclusive. */
  readonly from: Date;
  /** Up to this moment, exclusive. */
  readonly to: Date;
}

/** A number about a tenant that can be merged over tenants and cells; the kind of merging says of which type it is. */
export type AggregateDefinition = {
  readonly [Kind in MergeKind]: {
    /** How values are merged over tenants. */
    readonly merge: Kind;
    /** The tenant's value for a range, read from the cell's own tables. */
    query(tx: Transaction, range: Range): Promise<AggregateValues[Kind]>;
  };
}[MergeKind];
