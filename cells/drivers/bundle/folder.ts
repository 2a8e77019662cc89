import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { root } from "./build.ts";
import { bundleError } from "./errors.ts";

const run = promisify(execFile);
/** The compiler itself takes some seconds; on a machine that is busy, many. */
const compilerMs = 120_000;
/** As much of the compiler's complaints as a reader wants at once. */
const mostLines = 20;

/** @throws bad-application where the folder has not what an application consists of. */
export async function checkFolder(folder: string): Promise<void> {
  if (!(await isThere(folder))) throw bundleError("bad-application", `There is no folder ${folder}.`);
  if (!(await isThere(join(folder, "app.ts"))))
    throw bundleError("bad-application", `There is no app.ts in ${folder}.`);
  if (!(await isThere(join(folder, "migrations"))))
    throw bundleError(
      "bad-application",
      `There is no folder migrations in ${folder}; an application without tables has an empty one.`,
    );
}

/**
 * Checks the types of an application that has a tsconfig.json, as `cellplane app new` writes it. Building alone only strips them. Where the compiler is not
 * installed (it is a development package), or does not end in time, nothing is checked: the types are for the one who writes, the release runs without.
 * @throws types-wrong with what the compiler said.
 */
export async function checkTypes(folder: string, node: string): Promise<void> {
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  if (!(await isThere(join(folder, "tsconfig.json"))) || !(await isThere(compiler))) return;
  try {
    await run(node, [compiler, "-p", folder, "--noEmit", "--pretty", "false"], { cwd: folder, timeout: compilerMs });
  } catch (cause) {
    const { stdout = "" } = cause as { readonly stdout?: string };
    const lines = stdout.trim().split("\n");
    // One that was ended at the time-out said nothing about the types.
    if (!lines.some((line) => /error TS\d+/.test(line))) return;
    const rest = lines.length > mostLines ? [`and ${lines.length - mostLines} lines more`] : [];
    throw bundleError("types-wrong", [...lines.slice(0, mostLines), ...rest].join("\n"), { cause });
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT" || (error as NodeJS.ErrnoException).code === "ENOTDIR")
      return false;
    throw error;
  }
}
