/**
 * `npm run check`: everything that can be said of the sources without starting a part, one after another, with times.
 * `npm run fix` (`--fix`) formats and applies the linter's safe corrections instead.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { root } from "./lib/bootstrap.mjs";

interface Step {
  readonly name: string;
  /** A program of node_modules/.bin, or a script of ours, and its arguments. */
  readonly command: readonly [program: string, ...args: string[]];
}

const folders = [
  "common",
  "router",
  "cells",
  "control-plane",
  "workflows",
  "aggregator",
  "dashboard",
  "cli",
  "examples",
  "scripts",
  "tests",
  "bench",
].filter((folder) => existsSync(join(root, folder)));

const checks: readonly Step[] = [
  { name: "format", command: ["oxfmt", "--check"] },
  { name: "lint", command: ["oxlint"] },
  { name: "types", command: ["tsc", "-p", "."] },
  { name: "types of the dashboard", command: ["tsc", "-p", "dashboard"] },
  { name: "boundaries", command: ["depcruise", "--config", ".dependency-cruiser.mjs", ...folders] },
  { name: "dead code", command: ["knip", "--no-progress"] },
  { name: "unit tests", command: ["scripts/test.ts", "unit"] },
];

const fixes: readonly Step[] = [
  { name: "lint", command: ["oxlint", "--fix"] },
  { name: "format", command: ["oxfmt"] },
];

function run([program, ...args]: Step["command"]): Promise<{ code: number; output: string }> {
  const own = program.endsWith(".ts");
  // The tools are Node programs too: they run on our Node, not on whatever is on PATH.
  const env = { ...process.env, PATH: `${join(process.execPath, "..")}:${process.env["PATH"] ?? ""}` };
  const command = own ? process.execPath : join(root, "node_modules", ".bin", program);
  const child = spawn(command, own ? [join(root, program), ...args] : args, {
    cwd: root,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const keep = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

const steps = process.argv.includes("--fix") ? fixes : checks;
const began = performance.now();
const failed: string[] = [];
for (const step of steps) {
  const start = performance.now();
  const { code, output } = await run(step.command);
  const mark = code === 0 ? "ok" : "FAILED";
  console.log(`${mark.padEnd(7)}${step.name.padEnd(24)}${((performance.now() - start) / 1000).toFixed(1)} s`);
  if (code === 0) continue;
  failed.push(step.name);
  console.log(output.trimEnd());
}
console.log(
  `${failed.length === 0 ? "all well" : `not well: ${failed.join(", ")}`} after ${((performance.now() - began) / 1000).toFixed(1)} s`,
);
process.exitCode = failed.length === 0 ? 0 : 1;
