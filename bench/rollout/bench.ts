import type { Bench, BenchContext, Report, Row } from "../runner/contract.ts";
import { cellHistoryOf, historyLimits, historyOf, type HistorySize } from "./histories.ts";
import { type Rolled, RolloutStage, twentySeconds } from "./stage.ts";

const sizes = { short: [10, 100], full: [10, 100, 1_000] } as const;
const goal = 1.05;
const policy = { canaryCells: 1, percentages: [100], timeScale: 1, minimumSamples: 10, cellsAtOnce: 250 };
const peer = "The plan's lower bound";

async function run(context: BenchContext): Promise<Report> {
  const stage = await RolloutStage.open();
  const rows: Row[] = [];
  const notes: string[] = [];
  let wrong = 0;
  try {
    for (const cells of context.short ? sizes.short : sizes.full) {
      const timed = await stage.roll(cells, (step) => twentySeconds[step], { ...policy, bakeSeconds: [4] });
      rows.push(...timedRows(cells, timed));
      notes.push(...(await historyNotes(stage, cells, timed)));
      const free = await stage.roll(cells, () => 0, { ...policy, bakeSeconds: [0] });
      const rate = `${Math.round((cells / free.tookMs) * 60_000).toLocaleString("en")} cells/min`;
      rows.push(row("Cellplane", `${cells} cells, steps of zero length`, rate, "1.00"));
      wrong += timed.wrong + free.wrong;
      context.say(`${cells} cells: ${seconds(timed.tookMs)} of steps, ${seconds(free.tookMs)} without`);
    }
    notes.push(
      "One worker and Temporal's dev server share the machine with the models of the cells; the registry is in memory. The bound counts 20 s for each round of cells, and the bakes.",
    );
    return { rows, notes, wrong };
  } finally {
    await stage.close();
  }
}

function timedRows(cells: number, { plan, tookMs }: Rolled): Row[] {
  const ratio = tookMs / (plan.expectedSeconds * 1_000);
  const size = `${cells} cells, 20 s of steps each, ${Math.min(cells, policy.cellsAtOnce)} at once`;
  return [
    row("Cellplane", size, seconds(tookMs), "1.00"),
    row(
      peer,
      size,
      seconds(plan.expectedSeconds * 1_000),
      `${ratio.toFixed(3)}${ratio <= goal ? "" : ` (above ${goal})`}`,
    ),
  ];
}

async function historyNotes(stage: RolloutStage, cells: number, { end, handle }: Rolled): Promise<string[]> {
  const parent = await historyOf(stage.client, handle.workflowId, handle.firstExecutionRunId);
  const child = await cellHistoryOf(
    stage.client,
    end.id as Parameters<typeof cellHistoryOf>[1],
    end.cells.at(-1)?.cell ?? "",
  );
  const perCell = (parent.actions + child.actions * cells) / cells;
  return [
    `${cells} cells: the rollout's history has ${sizeText(parent)}; a cell's own ${sizeText(child)}; ${perCell.toFixed(1)} actions a cell in all. ` +
      `The longest is ${share(parent)} of Temporal's limits${isWithin(parent) ? "" : ", MORE THAN HALF"}.`,
  ];
}

function sizeText({ runs, events, bytes, allEvents, actions }: HistorySize): string {
  const several = runs === 1 ? "" : ` at most in each of ${runs} runs, ${allEvents} in all`;
  return `${events} events and ${(bytes / 1_048_576).toFixed(2)} MiB${several}, ${actions} actions`;
}

function share({ events, bytes }: HistorySize): string {
  return `${Math.round((events / historyLimits.events) * 100)} % (events) and ${Math.round((bytes / historyLimits.bytes) * 100)} % (bytes)`;
}

function isWithin({ events, bytes }: HistorySize): boolean {
  return events <= historyLimits.events / 2 && bytes <= historyLimits.bytes / 2;
}

function row(contender: string, size: string, figure: string, ratio: string): Row {
  return { contender, size, median: figure, min: figure, max: figure, ratio };
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

/** What the machinery of a rollout costs above the steps themselves. */
const bench: Bench = {
  number: "p9",
  question:
    "How much longer than its plan's own lower bound does a rollout of 10, 100 and 1,000 simulated cells take, and how many cells a minute does it do whose steps take no time?",
  goal: "at most 1.05 × the lower bound; histories below half of Temporal's limits",
  peers: [],
  run,
};
export default bench;
