import { readFileSync } from "node:fs";

/** Above this share of the time that the host took from us a round says nothing. */
const mostStolen = 0.01;

interface CpuTimes {
  readonly stolen: number;
  readonly all: number;
}

// proc_stat(5): user nice system idle iowait irq softirq steal …
function readTimes(): CpuTimes {
  const line = readFileSync("/proc/stat", "utf8").split("\n", 1)[0] ?? "";
  const ticks = line.split(/\s+/).slice(1, 9).map(Number);
  return { stolen: ticks[7] ?? 0, all: ticks.reduce((sum, count) => sum + count, 0) };
}

/** Begins to watch. @returns a function that says whether the host took the CPU away since. */
export function watchSteal(): () => boolean {
  const before = readTimes();
  return () => {
    const after = readTimes();
    return after.stolen - before.stolen > mostStolen * (after.all - before.all);
  };
}
