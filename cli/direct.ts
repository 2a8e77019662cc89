import { randomUUID } from "node:crypto";
import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import Value from "typebox/value";
import { DirectCommand } from "../common/contracts/claims.ts";
import { homePaths } from "../common/contracts/home.ts";
import { cliError } from "./errors.ts";
import type { ControlPlane } from "./control-plane.ts";

// What was done with --direct is written into the home before it is done; the next command that reaches the control plane tells it to the audit.

/** Writes down a deed that the control plane does not hear of now. */
export async function noteDirect(
  home: string,
  deed: Pick<DirectCommand, "action" | "target" | "reason">,
): Promise<DirectCommand> {
  const command = { id: randomUUID(), at: new Date().toISOString(), user: userInfo().username, ...deed };
  const folder = join(home, homePaths.direct);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `${command.id}.json`);
  // Whole under its name, or not there.
  await writeFile(`${path}.new`, `${JSON.stringify(command)}\n`, { mode: 0o600, flush: true });
  await rename(`${path}.new`, path);
  return command;
}

/**
 * Tells the audit of all that was done directly since it last answered.
 * @throws control-plane-unreachable, after which what was not told is told the next time
 */
export async function tellDirect(home: string, plane: ControlPlane): Promise<void> {
  for (const path of await untold(home)) {
    await plane.post("/v1/audit/direct", await readDeed(path));
    await rm(path, { force: true });
  }
}

async function untold(home: string): Promise<string[]> {
  const folder = join(home, homePaths.direct);
  try {
    const names = await readdir(folder);
    return names.filter((name) => name.endsWith(".json")).map((name) => join(folder, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

async function readDeed(path: string): Promise<DirectCommand> {
  const deed: unknown = JSON.parse(await readFile(path, "utf8"));
  if (!Value.Check(DirectCommand, deed))
    throw cliError("home-unreadable", `${path} is not what a direct command wrote.`);
  return deed;
}
