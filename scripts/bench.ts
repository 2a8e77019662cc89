/**
 * `npm run bench -- p7`, `npm run bench -- kit`: one benchmark of bench/, by number or folder, in full; `--short` for its short form; `--record` writes
 * its table into docs/benchmarks.md.
 * `npm run bench`: all of them, short, each written to docs/benchmarks.md when it is done.
 * Exit 1 when an answer was wrong or a run broke: what the figures are decides nothing here.
 */
import { existsSync, globSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism, cpus, loadavg, release, tmpdir, totalmem } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import type { Bench } from "../bench/runner/contract.ts";
import { markdownOf, titleOf } from "../bench/runner/markdown.ts";
import { withSection } from "../bench/runner/page.ts";
import { root } from "./lib/bootstrap.mjs";
import { progress } from "./setup/progress.ts";
import { ensurePostgres, ensureRedis } from "./setup/servers.ts";

const fullPairs = 9;
const shortPairs = 5;

interface Named {
  readonly name: string;
  readonly bench: Bench;
}

async function allBenches(): Promise<Named[]> {
  const files = globSync("bench/*/bench.ts", { cwd: root }).toSorted();
  return Promise.all(
    files.map(async (file) => {
      const { default: bench } = (await import(pathToFileURL(join(root, file)).href)) as { readonly default: Bench };
      return { name: dirname(file).slice("bench/".length), bench };
    }),
  );
}

/** @returns its part of the page, and whether all was right. */
async function run({ name, bench }: Named, short: boolean): Promise<{ text: string; right: boolean }> {
  progress.say(`${name}: ${bench.question}`);
  const versions: string[] = [];
  for (const peer of bench.peers) versions.push(`${peer.name}: ${await peer.bring()}`);
  const folder = await mkdtemp(join(tmpdir(), "cellplane-bench-"));
  const load = (loadavg()[0] ?? 0).toFixed(1);
  try {
    const pairs = short ? shortPairs : fullPairs;
    const report = await bench.run({ short, pairs, folder, say: (line) => progress.say(line) });
    const notes = [
      ...report.notes,
      `${short ? "Short form, " : ""}${pairs} rounds, ${new Date().toISOString().slice(0, 10)}, on ${machine()}; its load when it began: ${load}.`,
    ];
    return { text: markdownOf(name, bench, { ...report, notes }, versions), right: report.wrong === 0 };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What kind of machine this is, without saying which. */
function machine(): string {
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? "unknown"}), ${memory} GB, Linux ${release().split("-", 1)[0]}, Node ${process.versions.node}`;
}

async function main(args: readonly string[]): Promise<number> {
  const names = args.filter((arg) => arg !== "--short" && arg !== "--record");
  const benches = await allBenches();
  const unknown = names.find((name) => !benches.some(({ name: own, bench }) => own === name || bench.number === name));
  if (unknown !== undefined) {
    const known = benches.map(({ name, bench }) => (bench.number === null ? name : `${name} (${bench.number})`));
    process.stderr.write(`there is no benchmark called ${unknown}; there are: ${known.join(", ")}\n`);
    return 2;
  }
  await ensurePostgres();
  await ensureRedis();
  const all = names.length === 0;
  const chosen = benches.filter(({ name, bench }) => all || names.includes(name) || names.includes(bench.number ?? ""));
  const page = join(root, "docs", "benchmarks.md");
  const headings = benches.map(({ name, bench }) => titleOf(name, bench));
  let right = true;
  for (const each of chosen) {
    const result = await run(each, all || args.includes("--short"));
    process.stdout.write(`${result.text}\n`);
    if (all || args.includes("--record"))
      await writeFile(page, withSection(existsSync(page) ? await readFile(page, "utf8") : "", result.text, headings));
    right &&= result.right;
  }
  return right ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
