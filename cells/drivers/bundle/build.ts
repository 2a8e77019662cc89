import { join, resolve } from "node:path";
import { build } from "esbuild";
import { bundleError } from "./errors.ts";

/** The clone: kit and packages. */
export const root = resolve(import.meta.dirname, "../../..");

/** Packages in CommonJS expect these names. */
const banner = `import { createRequire as __createRequire } from "node:module"; import { dirname as __dirnameOf } from "node:path";
const require = __createRequire(import.meta.url); const __filename = import.meta.filename; const __dirname = __dirnameOf(__filename);`;

/**
 * Makes one file of an entry's text and all that it imports.
 * @throws bundle-failed with what esbuild said.
 */
export async function bundle(contents: string, outfile: string): Promise<void> {
  try {
    await build({
      stdin: { contents, resolveDir: root, sourcefile: "entry.ts", loader: "ts" },
      outfile,
      absWorkingDir: root,
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node24",
      mainFields: ["module", "main"],
      banner: { js: banner },
      // An application may lie anywhere; the kit and the packages that belong to it are this clone's.
      alias: { "cellplane/kit": join(root, "cells/kit/kit.ts") },
      nodePaths: [join(root, "node_modules")],
      // Optional companions of packages, absent here; whoever asks for them goes on without.
      external: ["pg-native", "bullmq-otel"],
      minifyWhitespace: true,
      minifySyntax: true,
      legalComments: "none",
      logLevel: "silent",
      // What a file imports and another does not export would be undefined at run time: no release like that.
      logOverride: { "import-is-undefined": "error" },
    });
  } catch (cause) {
    throw bundleError("bundle-failed", cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
