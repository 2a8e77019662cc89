import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../../../common/clock.ts";
import { connect, type Client } from "../../../../common/postgres/pool.ts";
import { archivedSegments } from "./archive.ts";
import { claimTokenOf, sealWal, tenantMarks, type TenantMark } from "./backup.store.ts";
import type { CellDatabase } from "./cell-database.ts";

/** How long the last segment may take to reach the archive; a restore goes on without it, and says what that costs. */
const archivedWithinMs = 30_000;
const pollMs = 100;

/** The database that a restore stands for, while it can still be read. */
export interface FormerDatabase {
  readonly claimToken: number;
  /** What each tenant has, with the rows after a moment counted apart. */
  marks(after: string): Promise<TenantMark[]>;
  close(): Promise<void>;
}

/**
 * Opens the cell's present database, and has all of its WAL archived first where its archive still works.
 * @returns null where it does not answer, or cannot be read: then nobody knows what its tenants had.
 */
export async function openFormer(database: CellDatabase, clock: Clock): Promise<FormerDatabase | null> {
  let client: Client;
  try {
    client = await connect(database.superuserUrl("cell"), `${database.cell}-restore`);
  } catch {
    return null;
  }
  let lost = false;
  client.on("error", () => (lost = true));
  const close = async (): Promise<void> => {
    if (!lost) await client.end();
  };
  try {
    await awaitArchived(database, await sealWal(client), clock);
    const claimToken = await claimTokenOf(client);
    return { claimToken, marks: (after) => tenantMarks(client, { after, until: null }), close };
  } catch {
    await close();
    return null;
  }
}

async function awaitArchived(database: CellDatabase, segment: string, clock: Clock): Promise<void> {
  const life = await database.notes.archivedLife();
  if (life === null) return;
  const deadline = clock.monotonic() + archivedWithinMs;
  while (!(await archivedSegments(database.home, database.cell, life)).has(segment)) {
    if (clock.monotonic() > deadline) return;
    await sleep(pollMs);
  }
}
