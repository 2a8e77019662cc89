import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Static, TSchema } from "typebox";
import Value from "typebox/value";
import { DemoFile, FleetFile, homePaths } from "../common/contracts/home.ts";
import { cliError } from "./errors.ts";

const projectFolder = dirname(dirname(fileURLToPath(import.meta.url)));

/** The fleet's home: what was asked for, seen from where the user stands; by default `.cellplane` of this clone, wherever that is. */
export function homeFolder(asked: string | undefined): string {
  return asked === undefined || asked === "" ? join(projectFolder, ".cellplane") : resolve(asked);
}

/** @throws CellplaneError `no-fleet` where none was ever started in this home. */
export async function readFleet(home: string): Promise<FleetFile> {
  const fleet = await readAs(FleetFile, join(home, homePaths.fleet));
  if (fleet === null) throw cliError("no-fleet", `${join(home, homePaths.fleet)} does not exist.`);
  return fleet;
}

/** The token that `npm start` left for the operator of this machine. */
export async function readOperatorToken(home: string): Promise<string> {
  const path = join(home, homePaths.operatorToken);
  const token = await readText(path);
  if (token === null) throw cliError("home-unreadable", `${path} does not exist; without it nobody can sign in.`);
  return token.trim();
}

/** The demo's tenants with their keys; none in a fleet without a demo. */
export async function readDemo(home: string): Promise<DemoFile> {
  return (await readAs(DemoFile, join(home, homePaths.demo))) ?? { tenants: [] };
}

async function readAs<Schema extends TSchema>(schema: Schema, path: string): Promise<Static<Schema> | null> {
  const text = await readText(path);
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw cliError("home-unreadable", `${path} is not JSON.`, { cause });
  }
  if (!Value.Check(schema, value)) {
    const [first] = Value.Errors(schema, value);
    throw cliError(
      "home-unreadable",
      `${path} does not fit: ${first?.instancePath || "the document"} ${first?.message ?? "is wrong"}.`,
    );
  }
  return value as Static<Schema>;
}

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw cliError("home-unreadable", `${path} cannot be read (${code ?? "unknown"}).`, { cause });
  }
}
