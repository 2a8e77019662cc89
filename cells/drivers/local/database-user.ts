import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { driverError } from "../errors.ts";

const run = promisify(execFile);

/** Whom databases run as. */
export interface DatabaseUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

const ownName = "cellplane";
/** Where no user can be created: accounts that distributions ship and that own nothing of ours. */
const fallbackNames = ["postgres", "redis", "daemon", "nobody"];
/** Two fleets may create the user at the same moment; useradd then finds the account files locked. */
const creationTries = 10;

/**
 * The unprivileged user of the databases: null where we are not root (they then run as we do), else `cellplane`, created
 * when missing. PostgreSQL refuses to run as root, and Redis should not.
 * @throws database-user-missing when root can neither create the user nor find another.
 */
export async function databaseUser(): Promise<DatabaseUser | null> {
  if (process.getuid?.() !== 0) return null;
  for (let tries = 0; tries < creationTries; tries++) {
    const found = await findUser(ownName);
    if (found !== null) return found;
    const created = await createUser();
    if (created === "no-useradd") break;
    if (created === "busy") await sleep(200);
  }
  for (const name of [ownName, ...fallbackNames]) {
    const found = await findUser(name);
    if (found !== null) return found;
  }
  throw driverError("database-user-missing", `The user ${ownName} is missing and could not be created.`);
}

async function findUser(name: string): Promise<DatabaseUser | null> {
  const line = (await readFile("/etc/passwd", "utf8")).split("\n").find((row) => row.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(":") ?? [];
  return uid === undefined || gid === undefined || uid === "0" ? null : { name, uid: Number(uid), gid: Number(gid) };
}

async function createUser(): Promise<"created" | "busy" | "no-useradd"> {
  const args = [
    "--system",
    "--user-group",
    "--no-create-home",
    "--home-dir",
    "/nonexistent",
    "--shell",
    "/usr/sbin/nologin",
    ownName,
  ];
  try {
    await run("useradd", args, { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } });
    return "created";
  } catch (error) {
    // 1: the account files are locked or cannot be written; 9: somebody else has just created it.
    return (error as { code?: unknown }).code === "ENOENT" ? "no-useradd" : "busy";
  }
}
