/** Days for which a bucket's value is kept after its hour, for an aggregator that has lost all of it. */
export const rollupsKeptDays = 35;
