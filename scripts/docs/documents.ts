import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../lib/bootstrap.mjs";
import { faultsPage } from "../faults/page.ts";
import { apis } from "./apis.ts";
import { environmentExample, everySetting } from "./environment.ts";
import { errorPage, listedErrors } from "./error-page.ts";
import { openApiOf } from "./openapi.ts";

/** A file that is checked in and made from the sources. */
export interface GeneratedFile {
  /** From the clone's root. */
  readonly path: string;
  readonly make: () => Promise<string>;
}

/** Every generated file. None of them needs I/O but reading the sources. */
export const generatedFiles: readonly GeneratedFile[] = [
  ...apis.map((api) => ({
    path: `docs/openapi/${api.name}.json`,
    make: async () => `${JSON.stringify(await openApiOf(api, version()), null, 2)}\n`,
  })),
  { path: "docs/errors.md", make: async () => errorPage(await listedErrors()) },
  { path: "docs/faults.md", make: () => Promise.resolve(faultsPage()) },
  { path: ".env.example", make: async () => environmentExample(await everySetting()) },
];

function version(): string {
  return (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string }).version;
}

/** What is checked in now; empty where there is no such file. */
export function checkedIn(path: string): string {
  try {
    return readFileSync(join(root, path), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}
