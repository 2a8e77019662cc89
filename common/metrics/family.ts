export type Labels = Readonly<Record<string, string>>;

/** A counter or a gauge at one set of labels. */
export interface Point {
  readonly value: number;
  readonly labels?: Labels;
}

/** A histogram at one set of labels: a count for each bucket, the last for what is above all bounds; the sum of all values. */
export interface Distribution {
  readonly counts: readonly number[];
  readonly sum: number;
  readonly labels?: Labels;
}

/** Series of one name, whatever they are exported as. Every label must come from a bounded set. */
export type Family = {
  /** In words joined by underscores, with its unit, as Prometheus has it; counters end in `_total`. */
  readonly name: string;
  readonly help: string;
} & (
  | { readonly kind: "counter" | "gauge"; readonly points: readonly Point[] }
  | { readonly kind: "histogram"; readonly bounds: readonly number[]; readonly points: readonly Distribution[] }
);
