import Type from "typebox";
import { Compile } from "typebox/compile";
import type { MergeKind } from "../../common/contracts/rollups.ts";
import { cannotMerge } from "./errors.ts";
import type { Measure } from "./measure.ts";

const Count = Type.Integer({ minimum: 0 });
const Extreme = Type.Union([Type.Number(), Type.Null()]);
const Bins = Type.Array(Type.Tuple([Type.Integer(), Count]), { maxItems: 2_048 });

/** Wire forms of the mergeable values, as rollup rows and aggregate answers carry them. */
export const QuantileSketchSchema = Type.Object(
  {
    relativeError: Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 1 }),
    count: Count,
    zeros: Count,
    min: Extreme,
    max: Extreme,
    positive: Bins,
    negative: Bins,
  },
  { additionalProperties: false },
);

export const DistinctSketchSchema = Type.Union([
  Type.Object(
    {
      form: Type.Literal("explicit"),
      members: Type.Array(Type.String({ pattern: "^[0-9a-f]{16}$" }), { maxItems: 256 }),
    },
    { additionalProperties: false },
  ),
  Type.Object(
    {
      form: Type.Literal("registers"),
      registers: Type.String({ pattern: "^[A-Za-z0-9+/]*={0,2}$", maxLength: 5_464 }),
    },
    { additionalProperties: false },
  ),
]);

const number = Compile(Type.Number());
const extreme = Compile(Extreme);
const quantileSketch = Compile(QuantileSketchSchema);
const distinctSketch = Compile(DistinctSketchSchema);

/**
 * Reads a value that came over a wire as what its aggregate says it is.
 * @throws `malformed-value` when it is something else.
 */
export function measureOf(kind: MergeKind, value: unknown): Measure {
  switch (kind) {
    case "sum":
      if (number.Check(value)) return { kind, value };
      break;
    case "min":
    case "max":
      if (extreme.Check(value)) return { kind, value };
      break;
    case "quantiles":
      if (quantileSketch.Check(value)) return { kind, sketch: value };
      break;
    case "distinct":
      if (distinctSketch.Check(value)) return { kind, sketch: value };
      break;
    default:
      return kind satisfies never;
  }
  throw cannotMerge("malformed-value", `not a value of kind ${kind}`);
}
