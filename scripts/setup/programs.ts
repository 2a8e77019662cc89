import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { machineSettings } from "../../cells/drivers/local/config.ts";

const execute = promisify(execFile);
const outputLimitBytes = 16 * 1024 * 1024;
// Python packages come from a registry that may be slow; an apt index is some 10 MB.
const limitMs = 10 * 60_000;

/** The first of these programs that is on PATH, or where Debian puts what only root's PATH has; null if none is. */
export function onPath(...names: readonly string[]): string | null {
  const folders = [...machineSettings().path, "/usr/local/bin", "/usr/bin", "/usr/sbin", "/sbin"];
  for (const name of names) {
    for (const folder of folders) if (isProgram(join(folder, name))) return join(folder, name);
  }
  return null;
}

/** Where a program lies that set-up itself has brought. Every user may run it. */
export function cached(name: string): string {
  return join(machineSettings().cache, "programs", name);
}

export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Makes a file or folder appear complete or not at all, also when several processes bring it at once: `bring` fills a
 * neighbouring name, which is then renamed.
 */
export async function bringTo(target: string, bring: (unfinished: string) => Promise<void>): Promise<void> {
  const unfinished = join(dirname(target), `.${basename(target)}.${process.pid}.unfinished`);
  await mkdir(dirname(target), { recursive: true, mode: 0o755 });
  await rm(unfinished, { recursive: true, force: true });
  try {
    await bring(unfinished);
    await rename(unfinished, target);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

export type Outcome = { readonly ok: true; readonly stdout: string } | { readonly ok: false; readonly why: string };

/** Runs a program to its end. Where it fails, the last lines it wrote say why. */
export async function attempt(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  try {
    const { stdout } = await execute(program, args, {
      env: { ...process.env, ...env },
      timeout: limitMs,
      maxBuffer: outputLimitBytes,
    });
    return { ok: true, stdout };
  } catch (error) {
    const { stderr = "", stdout = "", message } = error as Error & { stderr?: string; stdout?: string };
    const lines = (stderr.trim() === "" ? stdout : stderr).trim().split("\n").slice(-4).join("\n");
    return { ok: false, why: lines === "" ? message : lines };
  }
}
