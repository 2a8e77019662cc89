import { type ErrorTable, errorsOf } from "../../common/errors.ts";

/** Why a merge was refused. What cannot be merged is refused, never approximated silently. */
export const mergeErrors = {
  "not-mergeable": {
    status: 422,
    title: "Values of this kind cannot be merged",
    todo: "Ask for a kind that carries what merging needs: sums instead of averages, a sketch instead of a percentile.",
  },
  "not-additive": {
    status: 422,
    title: "This aggregate is not a number that adds up over tenants",
    todo: "Ask for one that is a sum or a count of distinct members; least, greatest and quantiles are answered by the application, tenant by tenant.",
  },
  "axis-not-mergeable": {
    status: 422,
    title: "Values of this kind cannot be merged along this axis",
    todo: "The same member could be counted twice. Merge the sketches instead of the counts.",
  },
  "mixed-kinds": {
    status: 500,
    title: "Values of different kinds were given to one merge",
    todo: "Two releases disagree about an aggregate's kind; give the changed aggregate a new name.",
  },
  "different-parameters": {
    status: 500,
    title: "Sketches with different parameters cannot be merged",
    todo: "Two releases build an aggregate's sketch differently; give the changed aggregate a new name.",
  },
  "malformed-value": {
    status: 422,
    title: "A value has not the shape of its kind",
    todo: "The cell that sent it disagrees with the contract; look at its release.",
  },
  "merge-overflow": {
    status: 500,
    title: "A merged value exceeds what a number holds exactly",
    todo: "Ask for a shorter span of time.",
  },
} as const satisfies ErrorTable;

export const cannotMerge = errorsOf(mergeErrors);
