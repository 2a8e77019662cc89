/**
 * `npm run chaos`: 50 rollouts in which the workflow worker, Temporal and the control plane are killed (-9) at random moments. Each must end as one in which
 * nobody dies: no cell left out, none changed twice. `npm run chaos -- --runs 5 --seed 7`: so many, with the seeds 7, 8, …; the same seed kills the same at the same
 * moments. Prints a line a run, the folder in which every process's log and `runs.jsonl` are kept, and last `passed/all`; exit 1 when not all have passed.
 */
import { appendFileSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { chaosRun, deathsOf, type End } from "../tests/support/chaos/run.ts";
import { ChaosStage } from "../tests/support/chaos/stage.ts";
import { ensurePostgres } from "./setup/servers.ts";
import { ensureTemporal } from "./setup/temporal.ts";

const usualRuns = 50;
/** How long a step in a cell takes, so that a death meets it under way. */
const stepMs = 150;

interface Scene {
  readonly stage: ChaosStage;
  readonly undisturbed: End;
}

const folder = mkdtempSync(join(tmpdir(), "cellplane-chaos-"));

/** A stage with the end of a rollout in which nobody dies. */
async function open(name: string): Promise<Scene> {
  const stage = await ChaosStage.open({ cells: 3, folder: join(folder, name), stepMs: () => stepMs });
  const { end } = await chaosRun(stage, "pulse@2", []);
  if (end.state !== "completed") throw new Error(`nobody died, and it is ${end.state}`);
  return { stage, undisturbed: end };
}

/** @returns what differs from the undisturbed end; null for nothing. */
async function run({ stage, undisturbed }: Scene, seed: number): Promise<string | null> {
  const deaths = deathsOf(seed);
  const log = (what: object): void =>
    appendFileSync(join(folder, "runs.jsonl"), `${JSON.stringify({ seed, deaths, ...what })}\n`);
  try {
    const to = (await stage.registry()).currentRelease === "pulse@2" ? "pulse@1" : "pulse@2";
    const { end, tookMs, struck } = await chaosRun(stage, to, deaths);
    const different = (Object.keys(end) as (keyof End)[]).filter(
      (key) => !isDeepStrictEqual(end[key], undisturbed[key]),
    );
    log({ tookMs: Math.round(tookMs), struck, different, ...(different.length === 0 ? {} : { end, undisturbed }) });
    const killed = deaths.map(({ victim, atMs }) => `${victim} at ${(atMs / 1_000).toFixed(1)} s`).join(", ");
    console.log(`seed ${seed}  ${(tookMs / 1_000).toFixed(1)} s  ${struck} struck  ${killed}`);
    return different.length === 0 ? null : `differs in ${different.join(", ")}`;
  } catch (error) {
    log({ error: String(error) });
    return String(error).slice(0, 500);
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: String(usualRuns) },
      seed: { type: "string", default: String(Math.floor(Date.now() / 1_000) % 1_000_000) },
    },
  });
  const [runs, first] = [Number(values.runs), Number(values.seed)];
  if (!Number.isInteger(runs) || !Number.isInteger(first) || runs < 1) {
    console.error("usage: npm run chaos -- [--runs N] [--seed N]");
    return 2;
  }
  await ensurePostgres();
  await ensureTemporal();
  console.log(`logs and results are kept in ${folder}`);
  let passed = 0;
  let scene = await open("1");
  try {
    for (let n = 0; n < runs; n += 1) {
      const problem = await run(scene, first + n);
      if (problem === null) {
        passed += 1;
        continue;
      }
      console.log(`FAILED seed ${first + n}: ${problem}`);
      // What a failed run left behind is no beginning for the next.
      await scene.stage.close();
      scene = await open(String(n + 2));
    }
  } finally {
    await scene.stage.close();
  }
  console.log(`logs and results are kept in ${folder}`);
  console.log(`\n${passed}/${runs}`);
  return passed === runs ? 0 : 1;
}

process.exitCode = await main();
