import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/lib/bootstrap.mjs";
import type { Peer } from "./contract.ts";

/** A peer made of npm packages that the project has anyway; their versions go under the table. */
export function npmPeer(name: string, packages: readonly string[]): Peer {
  return {
    name,
    bring: () => Promise.resolve(packages.map((found) => `${found} ${versionOf(found)}`).join(", ")),
  };
}

function versionOf(name: string): string {
  const manifest = JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8")) as {
    readonly version: string;
  };
  return manifest.version;
}
