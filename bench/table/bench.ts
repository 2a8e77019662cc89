import { execFile } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { ensureSigningKey } from "../../common/keys.ts";
import type { Bench, BenchContext, Row } from "../runner/contract.ts";
import { cores, pinned } from "../runner/pin.ts";
import { spreadOf } from "../runner/statistics.ts";
import { routerColdStart } from "./cold-start.ts";
import { writeFleet } from "./fleet.ts";

const run = promisify(execFile);
const sizes = [10_000, 100_000, 1_000_000];
const peer = "Map of objects from JSON";
const mostBytes = 80;
const mostColdMs = 2_000;

interface Loaded {
  readonly bytes: number;
  readonly loadMs: number;
  readonly lookupNs: number;
  readonly wrong: number;
}

/** Figures of one size: a list by round of each. */
interface Figures {
  readonly bytes: number[];
  readonly loadMs: number[];
  readonly lookupNs: number[];
  readonly coldMs: number[];
}

const empty = (): Figures => ({ bytes: [], loadMs: [], lookupNs: [], coldMs: [] });

async function load(kind: "table" | "map", args: readonly string[]): Promise<Loaded & { readonly ms: number }> {
  const script = ["--expose-gc", "--max-old-space-size=8192", "bench/table/load.ts", kind, ...args];
  const [command, all] = pinned(cores.subject, process.execPath, script);
  const begin = performance.now();
  const { stdout } = await run(command, all, { maxBuffer: 1024 * 1024 });
  const ms = performance.now() - begin;
  return { ...(JSON.parse(stdout) as Loaded), ms };
}

function note(figures: Figures, { bytes, loadMs, lookupNs }: Loaded, tenants: number, coldMs: number): void {
  figures.bytes.push(bytes / tenants);
  figures.loadMs.push(loadMs);
  figures.lookupNs.push(lookupNs);
  figures.coldMs.push(coldMs);
}

const shown = {
  bytes: ["memory a tenant", (value: number) => `${value.toFixed(0)} B`],
  loadMs: ["load", (value: number) => `${value.toFixed(0)} ms`],
  lookupNs: ["look-up of one of 512 busy tenants", (value: number) => `${value.toFixed(0)} ns`],
  coldMs: ["process started to first right answer", (value: number) => `${value.toFixed(0)} ms`],
} as const;

function rowsOf(size: string, ours: Figures, theirs: Figures): Row[] {
  return (Object.keys(shown) as (keyof Figures)[]).flatMap((kind) => {
    const [what, show] = shown[kind];
    const ratios = spreadOf(ours[kind].map((figure, round) => figure / (theirs[kind][round] ?? Number.NaN)));
    const row = (contender: string, figures: readonly number[], ratio: string): Row => {
      const { median, min, max } = spreadOf(figures);
      return { contender, size: `${what}, ${size}`, median: show(median), min: show(min), max: show(max), ratio };
    };
    const ratio = `${ratios.median.toFixed(2)} (${ratios.min.toFixed(2)}–${ratios.max.toFixed(2)})`;
    return [row("Cellplane", ours[kind], "1.00"), row(peer, theirs[kind], ratio)];
  });
}

interface Measured {
  readonly rows: readonly Row[];
  readonly ours: Figures;
  readonly fileBytes: number;
  readonly wrong: number;
}

async function measure(context: BenchContext, tenants: number, keys: boolean): Promise<Measured> {
  const folder = join(context.folder, `${tenants}-${keys}`);
  const keyFile = join(context.folder, "router.pem");
  await writeFleet(folder, tenants, keys, ensureSigningKey(keyFile));
  const args = [folder, String(tenants), String(keys)];
  const [ours, theirs] = [empty(), empty()];
  let wrong = 0;
  for (let round = 0; round < context.pairs; round += 1) {
    const measureOurs = async () => {
      const loaded = await load("table", [...args, keyFile]);
      const cold = await routerColdStart(folder, keyFile, tenants);
      note(ours, loaded, tenants, cold.ms);
      wrong += loaded.wrong + cold.wrong;
    };
    const measureTheirs = async () => {
      const loaded = await load("map", args);
      note(theirs, loaded, tenants, loaded.ms);
      wrong += loaded.wrong;
    };
    for (const one of round % 2 === 0 ? [measureOurs, measureTheirs] : [measureTheirs, measureOurs]) await one();
  }
  const size = `${tenants.toLocaleString("en")} tenants${keys ? " with a key each" : ""}`;
  context.say(`  ${size}: ${spreadOf(ours.bytes).median.toFixed(0)} B, ${spreadOf(ours.coldMs).median.toFixed(0)} ms`);
  const fileBytes = statSync(join(folder, "fleet", readdirSync(join(folder, "fleet"))[0] ?? "")).size;
  await rm(folder, { recursive: true });
  return { rows: rowsOf(size, ours, theirs), ours, fileBytes, wrong };
}

export default {
  number: "p3",
  question: "What does a tenant cost in the router's memory, and how soon does a router that starts know all of them?",
  goal: `at most ${mostBytes} B a tenant without keys, and ${mostColdMs / 1000} s from the start of the process at 1 M tenants`,
  peers: [{ name: peer, bring: async () => `Node ${process.versions.node}` }],
  async run(context) {
    const measured: Measured[] = [];
    for (const keys of [false, true]) for (const tenants of sizes) measured.push(await measure(context, tenants, keys));
    const [bare, keyed] = [measured[sizes.length - 1], measured.at(-1)] as [Measured, Measured];
    const bytes = spreadOf(bare.ours.bytes).median;
    const cold = Math.max(spreadOf(bare.ours.coldMs).median, spreadOf(keyed.ours.coldMs).median);
    const met = (is: boolean) => (is ? "met" : "not met");
    return {
      rows: measured.flatMap(({ rows }) => rows),
      notes: [
        `At 1 M tenants ${bytes.toFixed(0)} B each (the goal of ${mostBytes} B is ${met(bytes <= mostBytes)}), ${spreadOf(keyed.ours.bytes).median.toFixed(0)} B with a key each: of a digest 128 bits are kept and compared, the key's id in full.`,
        `A router is there ${(cold / 1000).toFixed(2)} s after its process was started (the goal of ${mostColdMs / 1000} s is ${met(cold <= mostColdMs)}); its file has ${(bare.fileBytes / 1e6).toFixed(0)} MB, with keys ${(keyed.fileBytes / 1e6).toFixed(0)} MB, and a change appends to it.`,
        "Memory a tenant is flat but for the steps in which the hash indexes double; loading grows linearly. The peer's start ends when its tenants are in the map; ours when a request was answered over HTTP.",
        "Rows of busy tenants are kept made besides, at most 16,384, some 500 B each.",
      ],
      wrong: measured.reduce((sum, { wrong }) => sum + wrong, 0),
    };
  },
} satisfies Bench;
