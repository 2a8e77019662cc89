import { createHash } from "node:crypto";
import { globSync, mkdirSync, readFileSync, renameSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BundleOptions, bundleWorkflowCode, type Logger as TemporalLogger } from "@temporalio/worker";

type WebpackConfiguration = Parameters<NonNullable<BundleOptions["webpackConfigHook"]>>[0];

const root = fileURLToPath(new URL("..", import.meta.url));
const withoutSchemas = fileURLToPath(new URL("./without-schemas.ts", import.meta.url));
const workflowsPath = fileURLToPath(new URL("./definitions/registered.ts", import.meta.url));

/** The versions of packages, and all that definitions may import (the import rules say so): nothing else changes the bundle. */
const sources = [
  "package-lock.json",
  "workflows/bundle.ts",
  "workflows/without-schemas.ts",
  "workflows/definitions/*.ts",
  "common/contracts/*.ts",
  "common/*.ts",
  "control-plane/rollout/*.ts",
  "control-plane/placement/*.ts",
];
const keptBundles = 3;

/**
 * The workflow code as one file, as Temporal's worker wants it. Bundling takes one to three seconds, so it is done once per content:
 * the result lies in `directory` under the digest of everything that goes into it.
 * @returns the path of the bundle.
 */
export async function workflowBundle(directory: string, logger: TemporalLogger): Promise<string> {
  const path = join(directory, `bundle-${contentDigest()}.js`);
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return path;
  mkdirSync(directory, { recursive: true });
  const { code } = await bundleWorkflowCode({ workflowsPath, logger, webpackConfigHook: leaveSchemasOut });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, code);
  renameSync(draft, path);
  dropOldBundles(directory);
  return path;
}

function leaveSchemasOut(config: WebpackConfiguration): WebpackConfiguration {
  const known = config.resolve?.alias;
  const alias = Array.isArray(known)
    ? [...known, { name: "typebox", alias: withoutSchemas, onlyModule: true }]
    : { ...known, typebox$: withoutSchemas };
  return { ...config, resolve: { ...config.resolve, alias } };
}

function contentDigest(): string {
  const hash = createHash("sha256");
  for (const file of globSync(sources, { cwd: root }).toSorted())
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update("\0");
  return hash.digest("hex").slice(0, 16);
}

function dropOldBundles(directory: string): void {
  const bundles = globSync("bundle-*.js", { cwd: directory }).map((name) => join(directory, name));
  const newestFirst = bundles.toSorted((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  for (const path of newestFirst.slice(keptBundles)) unlinkSync(path);
}
