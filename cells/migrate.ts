import { join } from "node:path";
import { parseArgs } from "node:util";
import { migrationClasses, type MigrationClass } from "../common/contracts/release.ts";
import { migrateConfig } from "./config.ts";
import { loadMigrations } from "./kit/migrations.ts";
import { provision } from "./kit/provision.ts";

/**
 * Brings the cell's database to this release's schema: `migrate.mjs [--allow contract,irreversible]`. Prints one JSON document,
 * `{ applied: [{ series, number, name, class }], schema: { kit, app } }`; ends with 1 and the reason on stderr where it could not.
 */
export async function runMigrate(): Promise<void> {
  try {
    const { values } = parseArgs({ options: { allow: { type: "string", default: "" } } });
    const config = migrateConfig();
    const result = await provision({
      ownerUrl: config.OWNER_DATABASE_URL,
      cell: config.CELL_ID,
      slot: config.SLOT,
      incarnationFile: config.INCARNATION_FILE,
      migrations: await loadMigrations(join(config.RELEASE_DIRECTORY, "migrations")),
      allowed: classesIn(values.allow),
    });
    process.stdout.write(`${JSON.stringify(result)}\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

function classesIn(text: string): Set<MigrationClass> {
  const asked = text.split(",").filter((word) => word !== "");
  const unknown = asked.find((word) => !migrationClasses.some((known) => known === word));
  if (unknown !== undefined) throw new TypeError(`--allow takes ${migrationClasses.join(", ")}, not ${unknown}`);
  return new Set(asked as MigrationClass[]);
}
