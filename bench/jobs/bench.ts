import { alternate } from "../runner/alternate.ts";
import type { Bench, BenchContext, Report, Row } from "../runner/contract.ts";
import { quantileOf } from "../runner/statistics.ts";
import { JobStage } from "./stage.ts";

/** How long a job of the flood takes, in ms beside its transaction. */
const floods = [0, 50, 400];
const beside = "the same tenants, nobody floods";

async function run(context: BenchContext): Promise<Report> {
  const seconds = context.short ? 4 : 10;
  const stage = await JobStage.start();
  const rows: Row[] = [];
  const notes: string[] = [];
  const goals: boolean[] = [];
  try {
    await stage.measure(2, null);
    const capacity = Math.round(await stage.capacity(seconds));
    notes.push(`A worker does ${capacity} jobs/s of one tenant alone; the quiet tenants offer 0.4 of that together.`);
    for (const floodMs of floods) {
      const waits: Record<"flooded" | "alone", number[]> = { flooded: [], alone: [] };
      const measure = async (flood: number | null): Promise<number> => {
        const measured = await stage.measure(seconds, flood);
        waits[flood === null ? "alone" : "flooded"].push(...measured.waits);
        return measured.throughput;
      };
      const size = `flood of jobs of ${floodMs} ms`;
      const outcome = await alternate(
        {
          size,
          peer: beside,
          ours: () => measure(floodMs),
          theirs: () => measure(null),
          show: (figure) => `${figure.toFixed(1)} /s`,
        },
        context,
      );
      rows.push(...outcome.rows);
      goals.push(outcome.ratio >= 0.9);
      const of = (name: keyof typeof waits): string =>
        [0.5, 0.99].map((q) => `${Math.round(quantileOf(waits[name], q))} ms`).join(" / ");
      notes.push(`${size}: p50 / p99 from written down to begun ${of("flooded")}, without the flood ${of("alone")}.`);
    }
    notes.push(goals.every(Boolean) ? "The goal is met at each size." : "The goal is not met at each size.");
    return { rows, notes, wrong: await stage.wrong() };
  } finally {
    await stage.stop();
  }
}

/** What one tenant's flood of jobs leaves to the others. */
const bench: Bench = {
  number: null,
  question: "What throughput of jobs is left to nine quiet tenants when a tenth floods the cell's worker?",
  goal: "at least 0.90 of what they have without the flood",
  peers: [],
  run,
};
export default bench;
