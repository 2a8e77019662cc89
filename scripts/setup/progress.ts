import process from "node:process";

/** Says on stderr what set-up does, why, and how long it took; stdout belongs to the command's answer. */
export interface Progress {
  /** One line. */
  say(line: string): void;
  /**
   * One step. What is quickly done is one line at its end; a step that installs something says so by `tell` first.
   * @param work returns what the line at the end says was found or done.
   */
  step<T>(what: string, work: (tell: (line: string) => void) => Promise<T>, outcome: (result: T) => string): Promise<T>;
}

const nameWidth = 22;
// Whoever waits for a download wants to know that it is alive.
const stillEveryMs = 10_000;

export const progress: Progress = {
  say(line) {
    process.stderr.write(`${line}\n`);
  },
  async step(what, work, outcome) {
    const began = performance.now();
    const line = (text: string): void => progress.say(`  ${what.padEnd(nameWidth)}${text}`);
    let doing = "";
    const still = setInterval(() => {
      if (doing !== "") line(`… still at it after ${seconds(began)}`);
    }, stillEveryMs);
    try {
      const result = await work((text) => {
        doing = text;
        line(`${text} …`);
      });
      line(`${outcome(result)}  (${seconds(began)})`);
      return result;
    } finally {
      clearInterval(still);
    }
  },
};

/** Since `began` (of `performance.now()`), e.g. `1.4 s`. */
export function seconds(began: number): string {
  return `${((performance.now() - began) / 1000).toFixed(1)} s`;
}
