import type { BenchContext, Row } from "./contract.ts";
import { spreadOf } from "./statistics.ts";
import { watchSteal } from "./steal.ts";

/** How often a round is run again, in all, before a host that takes the CPU away is given up. */
const mostThrownOut = 20;

export interface Contest {
  readonly size: string;
  readonly peer: string;
  /** One measurement of ours, and one of the peer's. */
  readonly ours: () => Promise<number>;
  readonly theirs: () => Promise<number>;
  /** A figure as the table shows it. */
  readonly show: (figure: number) => string;
}

export interface Outcome {
  readonly rows: readonly [ours: Row, theirs: Row];
  /** Median of the rounds' ratios, ours over the peer. */
  readonly ratio: number;
  /** Rounds in which the host took the CPU away. */
  readonly thrownOut: number;
}

/**
 * Measures A B A B …, the order turned in every other round, so that neither always comes after a pause or a checkpoint. A ratio is made of two
 * neighbours; rounds with stolen time are run again.
 * @throws where the host takes the CPU away again and again.
 */
export async function alternate(contest: Contest, context: Pick<BenchContext, "pairs" | "say">): Promise<Outcome> {
  const ours: number[] = [];
  const theirs: number[] = [];
  let thrownOut = 0;
  while (ours.length < context.pairs) {
    const stolen = watchSteal();
    const turned = ours.length % 2 === 1;
    const first = await (turned ? contest.theirs() : contest.ours());
    const second = await (turned ? contest.ours() : contest.theirs());
    if (stolen()) {
      thrownOut += 1;
      if (thrownOut > mostThrownOut) throw new Error("the host takes the CPU away: no figure can be had now");
      continue;
    }
    ours.push(turned ? second : first);
    theirs.push(turned ? first : second);
  }
  const ratios = spreadOf(ours.map((figure, round) => figure / (theirs[round] ?? Number.NaN)));
  const row = (contender: string, figures: readonly number[], ratio: string): Row => {
    const { median, min, max } = spreadOf(figures);
    const { size, show } = contest;
    return { contender, size, median: show(median), min: show(min), max: show(max), ratio };
  };
  const ratio = `${ratios.median.toFixed(2)} (${ratios.min.toFixed(2)}–${ratios.max.toFixed(2)})`;
  context.say(`  ${contest.size}: ${ratio}${thrownOut === 0 ? "" : `, ${thrownOut} rounds thrown out`}`);
  return {
    rows: [row("Cellplane", ours, "1.00"), row(contest.peer, theirs, ratio)],
    ratio: ratios.median,
    thrownOut,
  };
}
