import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nodePath, oneAtATime, root, SetupError } from "../lib/bootstrap.mjs";

const folder = join(root, "dashboard");
const built = join(folder, "dist");
const stamp = join(built, "built-from");

/** What goes into the build. */
const sources = [
  "dashboard/index.html",
  "dashboard/public/**",
  "dashboard/src/**",
  "dashboard/vite.config.ts",
  "common/contracts/*.ts",
  "common/ids.ts",
  "package-lock.json",
];

function sourceDigest(): string {
  const hash = createHash("sha256");
  for (const file of globSync(sources, { cwd: root }).toSorted()) {
    if (/\.[a-z]+$/.test(file))
      hash
        .update(`${file}\0`)
        .update(readFileSync(join(root, file)))
        .update("\0");
  }
  return hash.digest("hex");
}

function isBuiltFrom(digest: string): boolean {
  return existsSync(stamp) && readFileSync(stamp, "utf8").trim() === digest;
}

/** Whether what is built is of today's sources. */
export function isDashboardBuilt(): boolean {
  return isBuiltFrom(sourceDigest());
}

/** Builds the dashboard unless it is built from these very sources; the new build replaces the old in one step. */
export async function buildDashboard(): Promise<"built" | "as it was"> {
  const digest = sourceDigest();
  if (isBuiltFrom(digest)) return "as it was";
  return oneAtATime(join(root, ".install", "dashboard"), "dashboard", async () => {
    if (isBuiltFrom(digest)) return "as it was";
    const fresh = join(folder, `dist.${process.pid}`);
    try {
      await vite([
        "build",
        "--config",
        join(folder, "vite.config.ts"),
        "--outDir",
        fresh,
        "--emptyOutDir",
        "--logLevel",
        "warn",
      ]);
      writeFileSync(join(fresh, "built-from"), `${digest}\n`);
      rmSync(built, { recursive: true, force: true });
      renameSync(fresh, built);
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
    return "built";
  });
}

async function vite(args: readonly string[]): Promise<void> {
  const child = spawn(nodePath(), [join(root, "node_modules", "vite", "bin", "vite.js"), ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  if (code !== 0) throw new SetupError(`The dashboard could not be built:\n${output.slice(-2000)}`);
}
