import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { alternate } from "../runner/alternate.ts";
import type { Bench, BenchContext, Report, Row } from "../runner/contract.ts";
import { spreadOf } from "../runner/statistics.ts";
import { ProvisionStage, type Took } from "./stage.ts";

/** Cells that are there already; every cell is four processes. */
const sizes = { short: [0, 2, 4], full: [0, 4, 8] } as const;
const goalMs = 5_000;
const peer = "initdb for each cell";

async function run(context: BenchContext): Promise<Report> {
  const stage = await ProvisionStage.start(context.folder);
  const rows: Row[] = [];
  const notes: string[] = [];
  const took: Took[] = [];
  try {
    // Makes the machine's template and the copy of the runtime, once and for all later cells.
    await stage.oneMore();
    for (const cells of context.short ? sizes.short : sizes.full) {
      await stage.growTo(cells);
      const outcome = await alternate(
        {
          size: `one more beside ${cells}`,
          peer,
          ours: async () => {
            const each = await stage.oneMore();
            took.push(each);
            return each.provisionedMs;
          },
          theirs: async () => await withoutTemplate(context.folder, () => stage.oneMoreDatabase()),
          show: (ms) => `${(ms / 1_000).toFixed(2)} s`,
        },
        context,
      );
      rows.push(...outcome.rows);
    }
    const all = spreadOf(took.map(({ provisionedMs }) => provisionedMs));
    const ready = spreadOf(took.map(({ readyMs }) => readyMs));
    const met = all.max <= goalMs ? "met" : "not met";
    notes.push(
      `The goal of ${goalMs / 1_000} s is ${met}: ${(all.median / 1_000).toFixed(2)} s in the median, ${(all.max / 1_000).toFixed(2)} s at most.`,
      `With the release copied, migrated, started and ready ${(ready.median / 1_000).toFixed(2)} s in the median, ${(ready.max / 1_000).toFixed(2)} s at most.`,
      "The time does not depend on the cells that are there, as long as the machine has room for them: a cell is a copy of an empty cluster and two servers started.",
    );
    return { rows, notes, wrong: 0 };
  } finally {
    await stage.stop();
  }
}

/** With an empty cache of templates, where the driver has to run initdb as one would without it. */
async function withoutTemplate<Result>(folder: string, work: () => Promise<Result>): Promise<Result> {
  const before = process.env["CELLPLANE_CACHE"];
  const cache = await mkdtemp(join(folder, "cache-"));
  process.env["CELLPLANE_CACHE"] = cache;
  try {
    return await work();
  } finally {
    if (before === undefined) delete process.env["CELLPLANE_CACHE"];
    else process.env["CELLPLANE_CACHE"] = before;
    await rm(cache, { recursive: true, force: true });
  }
}

/** What a new cell costs in time. */
const bench: Bench = {
  number: null,
  question: "How long does one more cell take through the local driver, until its databases answer?",
  goal: "at most 5 s",
  peers: [],
  run,
};
export default bench;
