import { mkdir, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { Slot } from "../../common/contracts/lease.ts";
import type { MigrationClass } from "../../common/contracts/release.ts";
import { uuidv7 } from "../../common/uuid.ts";
import { readIncarnation } from "./cell-state.ts";
import { applyMigrations, beginLife, openMigration, readLife, schemaNumbers } from "./migrate.store.ts";
import type { LoadedMigration } from "./migrations.ts";

export interface ProvisionOptions {
  readonly ownerUrl: string;
  readonly cell: string;
  readonly slot: Slot;
  readonly incarnationFile: string;
  readonly migrations: readonly LoadedMigration[];
  /** Classes asked for beside `expand`. */
  readonly allowed: ReadonlySet<MigrationClass>;
}

export interface Provisioned {
  readonly applied: readonly {
    readonly series: string;
    readonly number: number;
    readonly name: string;
    readonly class: MigrationClass;
  }[];
  readonly schema: { readonly kit: number; readonly app: number };
}

/**
 * Brings a cell's database to a release's schema. Where no lease was ever held it also begins the database's life: incarnation file first, then the
 * row, so that a crash between leaves a cell that serves nobody yet and is begun again.
 */
export async function provision(options: ProvisionOptions): Promise<Provisioned> {
  const client = await openMigration(options.ownerUrl);
  try {
    const before = await readLife(client);
    // A new cell has no tenants who could need the old shape.
    const allowed =
      before === null || before.leases === 0 ? new Set<MigrationClass>(["contract", "irreversible"]) : options.allowed;
    const applied = await applyMigrations(client, options.migrations, allowed);
    const life = await readLife(client);
    const onFile = await readIncarnation(options.incarnationFile);
    if (life !== null && life.leases === 0 && (life.incarnation === null || life.incarnation !== onFile)) {
      const incarnation = uuidv7();
      await writeDurably(options.incarnationFile, `${incarnation}\n`);
      await beginLife(client, options.cell, incarnation, options.slot);
    }
    return {
      applied: applied.map(({ series, number, name, class: kind }) => ({ series, number, name, class: kind })),
      schema: await schemaNumbers(client),
    };
  } finally {
    await client.end();
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.draft`;
  const file = await open(draft, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
}
