/**
 * `npm test`: unit, workflow, integration and end-to-end tests, each file a process of its own on real parts.
 * `npm test -- unit`, `npm test -- tests/e2e/rollout.test.ts`: a group, a file, or any part of a path.
 * The last line is `N passed, N failed`; exit 1 when one failed, or when none ran.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { prepareTests } from "./setup/tests.ts";
import { allTestFiles, chosen, groupNames, groups } from "./testing/groups.ts";
import { inParallel } from "./testing/in-parallel.ts";
import { type FileResult, killRunning, runFile } from "./testing/run-file.ts";

const outputLines = 40;

async function main(names: readonly string[]): Promise<number> {
  const files = chosen(allTestFiles(), names);
  const folder = await mkdtemp(join(tmpdir(), "cellplane-test-"));
  const results: FileResult[] = [];
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      killRunning();
      process.exitCode = 128 + constants.signals[signal];
      // What a killed file left behind is found and ended by the run of that file, which comes to its end now.
      setTimeout(() => process.exit(), 5_000).unref();
    });
  }
  try {
    await prepareTests(new Set(files.map((file) => file.group)));
    for (const group of groupNames) {
      const own = files.filter((file) => file.group === group);
      await inParallel(own, groups[group].atOnce, async (file) => {
        if (process.exitCode !== undefined) return;
        const result = await runFile(file, join(folder, String(results.length + 1), file.path.replaceAll("/", "-")));
        results.push(result);
        printFile(result);
      });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return printSummary(results);
}

function printFile({ file, passed, failures, tookMs }: FileResult): void {
  const mark = failures.length === 0 ? "ok    " : "FAILED";
  const count = `${passed} passed${failures.length === 0 ? "" : `, ${failures.length} failed`}`;
  console.log(`${mark} ${file.path}  ${count}  ${(tookMs / 1000).toFixed(1)} s`);
  for (const failure of failures) console.log(`         ✗ ${failure.name}`);
}

function printSummary(results: readonly FileResult[]): number {
  for (const { file, failures, output } of results) {
    if (failures.length === 0) continue;
    console.log(`\n─── ${file.path}`);
    for (const failure of failures) console.log(`\n✗ ${failure.name}\n${failure.text.replaceAll(/^/gm, "  ")}`);
    const end = output.trimEnd().split("\n").slice(-outputLines).join("\n");
    if (end !== "") console.log(`\n  the end of its output:\n${end.replaceAll(/^/gm, "  │ ")}`);
  }
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const failed = results.reduce((sum, result) => sum + result.failures.length, 0);
  console.log(`\n${passed} passed, ${failed} failed`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

try {
  process.exitCode = Math.max(await main(process.argv.slice(2)), Number(process.exitCode ?? 0));
} catch (error) {
  if (!(error instanceof RangeError)) throw error;
  console.error(`${error.message}\nusage: npm test -- [${groupNames.join(" | ")} | part of a file's path] …`);
  process.exitCode = 2;
}
