import { globSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "../lib/bootstrap.mjs";

/** A source of the product with what it exports. */
export interface Source {
  /** From the clone's root. */
  readonly path: string;
  readonly exports: Readonly<Record<string, unknown>>;
}

const folders = "{common,router,cells,control-plane,workflows,aggregator,cli,scripts}";

/** Every file of that name, in the order of its path: a new part is documented without being listed anywhere. */
export async function sourcesCalled(name: string): Promise<readonly Source[]> {
  const paths = globSync(`${folders}/**/${name}`, { cwd: root, exclude: ["**/node_modules/**"] }).toSorted();
  return await Promise.all(
    paths.map(async (path) => ({
      path,
      exports: (await import(pathToFileURL(join(root, path)).href)) as Record<string, unknown>,
    })),
  );
}
