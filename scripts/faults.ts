/**
 * `npm run faults`: the tests whose names begin with `fault N: ` or `attack N: `, wherever they stand, each file a process of its own as under
 * `npm test`. `npm run faults -- "fault 4" 17`: only those numbers. Prints a line a number and ends with `passed/all`; exit 1 when
 * not all have passed, or when docs/faults.md calls a number shown that no test bears.
 */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { kinds, troubles } from "./faults/list.ts";
import { shownOn } from "./faults/page.ts";
import { namePattern, scanTests, type NumberedTest, type TroubleNumber } from "./faults/scan.ts";
import { root } from "./lib/bootstrap.mjs";
import { prepareTests } from "./setup/tests.ts";
import { groupNames, groups, type TestFile } from "./testing/groups.ts";
import { inParallel } from "./testing/in-parallel.ts";
import { killRunning, runFile, type FileResult } from "./testing/run-file.ts";

const limitMs = 30 * 60_000;
const outputLines = 30;

interface Verdict {
  readonly number: TroubleNumber;
  readonly what: string;
  readonly problems: readonly string[];
  readonly tests: number;
  readonly tookMs: number;
}

async function main(args: readonly string[]): Promise<number> {
  const scanned = scanTests();
  const wanted = chosenNumbers(args, scanned);
  if (wanted.size === 0) {
    console.error('nothing here shows that; usage: npm run faults -- ["fault N" | "attack N" | N] …');
    return 2;
  }
  const tests = scanned.filter(({ number }) => wanted.has(number));
  const files = [...new Map(tests.map(({ file }) => [file.path, file])).values()];
  const stop = setTimeout(() => {
    process.exitCode = 1;
    console.log(`stopped after ${limitMs / 60_000} min`);
    killRunning();
  }, limitMs);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      process.exitCode = 128 + constants.signals[signal];
      killRunning();
      setTimeout(() => process.exit(), 5_000).unref();
    });
  }
  const results = await runAll(files, wanted);
  clearTimeout(stop);
  const verdicts = [...wanted].map((number) => judge(number, tests, results));
  for (const verdict of verdicts) print(verdict);
  printFailures(results);
  const missing = kinds.flatMap((kind) =>
    troubles[kind].map(({ number }) => `${kind} ${number}`).filter((number) => !wanted.has(number as TroubleNumber)),
  );
  if (args.length === 0) console.log(`\nnot yet: ${missing.join(", ")}`);
  const passed = verdicts.filter(({ problems }) => problems.length === 0).length;
  console.log(`\n${passed}/${verdicts.length}`);
  return passed === verdicts.length && passed > 0 ? 0 : 1;
}

/** What the tests bear and what the page calls shown, in the order of the numbers; of these the ones asked for. */
function chosenNumbers(args: readonly string[], tests: readonly NumberedTest[]): Set<TroubleNumber> {
  const page = readFileSync(join(root, "docs", "faults.md"), "utf8");
  const known = new Set([...tests.map(({ number }) => number), ...shownOn(page)]);
  const ordered = [...known].toSorted(
    (a, b) =>
      kinds.findIndex((kind) => a.startsWith(kind)) - kinds.findIndex((kind) => b.startsWith(kind)) ||
      plain(a) - plain(b),
  );
  return new Set(
    ordered.filter((number) => args.length === 0 || args.includes(number) || args.includes(String(plain(number)))),
  );
}

function plain(number: TroubleNumber): number {
  return Number(number.slice(number.indexOf(" ") + 1));
}

async function runAll(files: readonly TestFile[], wanted: ReadonlySet<TroubleNumber>): Promise<FileResult[]> {
  const folder = await mkdtemp(join(tmpdir(), "cellplane-faults-"));
  const results: FileResult[] = [];
  try {
    await prepareTests(new Set(files.map((file) => file.group)));
    for (const group of groupNames) {
      const own = files.filter((file) => file.group === group);
      await inParallel(own, groups[group].atOnce, async (file) => {
        if (process.exitCode !== undefined) return;
        const result = await runFile(file, join(folder, file.path.replaceAll("/", "-")), namePattern(wanted));
        results.push(result);
        const mark = result.failures.length === 0 ? "ran    " : "FAILED ";
        console.log(`${mark}${file.path}  ${(result.tookMs / 1000).toFixed(1)} s`);
      });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return results;
}

/** A number holds when each test that bears it has run and passed, in a file that ended well. */
function judge(number: TroubleNumber, tests: readonly NumberedTest[], results: readonly FileResult[]): Verdict {
  const own = tests.filter((test) => test.number === number);
  const problems: string[] = own.length === 0 ? ["docs/faults.md calls it shown, and no test bears it"] : [];
  let tookMs = 0;
  for (const { name, file } of own) {
    const result = results.find((each) => each.file === file);
    const ran = result?.tests.find((test) => test.name === name);
    tookMs += ran?.tookMs ?? 0;
    if (ran === undefined) problems.push(`${file.path}: did not run: ${name}`);
    else if (!ran.passed) problems.push(`${file.path}: ${name}`);
  }
  for (const path of new Set(own.map(({ file }) => file.path))) {
    const whole = results.find(({ file }) => file.path === path)?.failures.find(({ name }) => name === "(the file)");
    if (whole !== undefined) problems.push(`${path}: ${whole.text.split("\n", 1)[0] ?? ""}`);
  }
  const [kind, count] = number.split(" ") as [(typeof kinds)[number], string];
  const what = troubles[kind].find((trouble) => trouble.number === Number(count))?.what ?? "not on the list";
  return { number, what, problems, tests: own.length, tookMs };
}

function print({ number, what, problems, tests, tookMs }: Verdict): void {
  const mark = problems.length === 0 ? "ok    " : "FAILED";
  const time = `${(tookMs / 1000).toFixed(1)} s`;
  console.log(`${number.padEnd(10)} ${mark} ${time.padStart(8)}  ${what}${tests > 1 ? ` (${tests} tests)` : ""}`);
  for (const problem of problems) console.log(`             ✗ ${problem}`);
}

function printFailures(results: readonly FileResult[]): void {
  for (const { file, failures, output } of results) {
    if (failures.length === 0) continue;
    console.log(`\n─── ${file.path}`);
    for (const { name, text } of failures) console.log(`\n✗ ${name}\n${text.replaceAll(/^/gm, "  ")}`);
    const end = output.trimEnd().split("\n").slice(-outputLines).join("\n");
    if (end !== "") console.log(`\n  the end of its output:\n${end.replaceAll(/^/gm, "  │ ")}`);
  }
}

const code = await main(process.argv.slice(2));
process.exitCode = Math.max(code, Number(process.exitCode ?? 0));
