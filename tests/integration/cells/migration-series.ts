import { readFile, readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { sha256 } from "../../../common/canonical.ts";
import { parseMigrationFile, type MigrationSeries } from "../../../common/contracts/release.ts";
import type { LoadedMigration } from "../../../cells/kit/migrations.ts";

const root = resolve(import.meta.dirname, "../../..");

/** The migrations in a folder of the clone, as a release would carry them. */
export async function seriesOf(series: MigrationSeries, folder: string): Promise<LoadedMigration[]> {
  const files = (await readdir(join(root, folder))).toSorted();
  return Promise.all(
    files.map(async (file) => {
      const parsed = parseMigrationFile(file);
      if (parsed === null) throw new TypeError(`${folder}/${file} is no migration`);
      const sql = await readFile(join(root, folder, file), "utf8");
      return { series, ...parsed, digest: sha256(sql), sql };
    }),
  );
}
