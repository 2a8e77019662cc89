import { execFile } from "node:child_process";
import process from "node:process";
import { promisify } from "node:util";
import type { Peer } from "../runner/contract.ts";

const run = promisify(execFile);

/** A program of Debian's; installed where it is not there and we may. @param version how it tells its version. */
export function debianPeer(name: string, command: string, version: readonly string[]): Peer {
  return {
    name,
    bring: async () => {
      if (await missing(command)) await install(command);
      return versionOf(command, version);
    },
  };
}

async function versionOf(command: string, args: readonly string[]): Promise<string> {
  try {
    // nginx tells its version on stderr, and wrk thinks that asking for it is an error.
    const { stdout, stderr } = await run(command, args);
    return firstLine(stdout + stderr);
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout?: string; readonly stderr?: string };
    return firstLine(`${stdout ?? ""}${stderr ?? ""}`);
  }
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0]?.trim() ?? "";
}

async function missing(command: string): Promise<boolean> {
  try {
    await run("which", [command]);
    return false;
  } catch {
    return true;
  }
}

async function install(command: string): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error(`${command} is not installed; install Debian's package of that name`);
  await run("apt-get", ["install", "--yes", "--no-install-recommends", command]);
}
