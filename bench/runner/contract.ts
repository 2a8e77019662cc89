/** A contender of the same race: what we are compared with, brought before the run. */
export interface Peer {
  readonly name: string;
  /** Makes sure that it is there, installing it where it is not. @returns its version, for the table's foot. */
  bring(): Promise<string>;
}

export interface BenchContext {
  /** The short form: fewer or shorter rounds, the same questions. */
  readonly short: boolean;
  /** Rounds of A B (at least five); a round in which the host took the CPU away is run again. */
  readonly pairs: number;
  /** A folder for this run alone; it is removed afterwards. */
  readonly folder: string;
  /** Says on stderr what goes on. */
  say(line: string): void;
}

/** One line of the table: a contender at one size. */
export interface Row {
  /** Ours is called `Cellplane`. */
  readonly contender: string;
  /** What was asked of it, with its size, e.g. `write, 8 in flight`. */
  readonly size: string;
  /** With its unit, e.g. `1,234 /s`. */
  readonly median: string;
  readonly min: string;
  readonly max: string;
  /** Ours over the peer, from the same rounds: `0.91 (0.88–0.95)`; `1.00` in our own row. */
  readonly ratio: string;
}

export interface Report {
  readonly rows: readonly Row[];
  /** How the figures grow with the size, whether the goal is met, what was thrown out: a sentence each. */
  readonly notes: readonly string[];
  /** Wrong or failed answers; more than none fails the run. */
  readonly wrong: number;
}

/** What `bench/<name>/bench.ts` exports as its default. */
export interface Bench {
  /** `p1` … `p12`, where it has one. */
  readonly number: `p${number}` | null;
  /** What is asked, in one sentence. */
  readonly question: string;
  readonly goal: string;
  readonly peers: readonly Peer[];
  /** Starts and stops everything that it needs, pins it, checks answers while it measures. */
  run(context: BenchContext): Promise<Report>;
}
