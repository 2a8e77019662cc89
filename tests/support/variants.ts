import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/lib/bootstrap.mjs";

/** A release of Pulse that differs from it by what is said here. */
export interface Variant {
  /** What comes after `pulse@`. */
  readonly version: string;
  /** Body of an asynchronous function that runs before each route; `turn` counts the requests of the process, `exit` ends it. */
  readonly beforeEach?: string;
  /** Statements that run when the module is loaded, before anything reads the environment. */
  readonly onLoad?: string;
  /** Statements that add routes to `server`; what they need beside `defineCellApp` they name in `imports`. */
  readonly routes?: string;
  readonly imports?: string;
  /** Migrations after Pulse's first, by file name. */
  readonly migrations?: Readonly<Record<string, string>>;
  /** The newest migration that its code needs. */
  readonly needs?: number;
}

const pulse = join(root, "cells", "pulse");

/** Writes the variant as an application's folder, ready for `release create`. @returns the folder */
export function writeVariant(parent: string, variant: Variant, firstMigration: string): string {
  const { version, beforeEach = "", onLoad = "", routes = "", imports = "", migrations = {}, needs = 1 } = variant;
  const folder = join(parent, `pulse-${version}`);
  mkdirSync(join(folder, "migrations"), { recursive: true });
  const files = { "0001-events.expand.sql": firstMigration, ...migrations };
  for (const [name, sql] of Object.entries(files)) writeFileSync(join(folder, "migrations", name), sql);
  writeFileSync(
    join(folder, "app.ts"),
    `import { defineCellApp } from "cellplane/kit";
${imports}
import pulse from ${JSON.stringify(join(pulse, "app.ts"))};
${onLoad}
let turn = 0;
export default defineCellApp({
  ...pulse,
  migrations: { needs: ${needs} },
  async routes(server, options) {
    server.addHook("preHandler", async () => {
      turn += 1;
      ${beforeEach}
    });
    await pulse.routes(server, options);
    ${routes}
  },
});
`,
  );
  return folder;
}
