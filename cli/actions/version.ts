import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Answer } from "../context.ts";

/** `version` */
export async function showVersion(): Promise<Answer> {
  const manifest = fileURLToPath(new URL("../../package.json", import.meta.url));
  const { version } = JSON.parse(await readFile(manifest, "utf8")) as { version: string };
  return { json: { version, node: process.version }, text: `cellplane ${version} (Node ${process.version})` };
}
