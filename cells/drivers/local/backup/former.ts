import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../../../common/clock.ts";
import { isUnreachable } from "../../../../common/postgres/away.ts";
import { connect, sqlState } from "../../../../common/postgres/pool.ts";
import { archivedSegments } from "./archive.ts";
import { claimTokenOf, sealWal, tenantMarks, type TenantMark } from "./backup.store.ts";
import type { CellDatabase } from "./cell-database.ts";

/** How long the last segment may take to reach the archive; a restore goes on without it, and says what that costs. */
const archivedWithinMs = 30_000;
const pollMs = 100;

/** The database that a restore stands for, as far as it can be read. */
export interface FormerDatabase {
  /** The highest that it has seen; 0 where that cannot be read. */
  readonly claimToken: number;
  /** Why it, or a part of it, could not be read; null while all could. */
  readonly unread: string | null;
  /** What each tenant has, with the rows after a moment counted apart; null where it cannot be read: then nobody knows what its tenants had. */
  marks(after: string): Promise<TenantMark[] | null>;
  close(): Promise<void>;
}

/** Opens the cell's present database, and has all of its WAL archived first where its archive still works. A database that is down or broken is no error. */
export async function openFormer(database: CellDatabase, clock: Clock): Promise<FormerDatabase> {
  let unread: string | null = null;
  const unlessBroken = async <Result>(work: () => Promise<Result>): Promise<Result | null> => {
    try {
      return await work();
    } catch (error) {
      // Whatever the database itself says is its trouble, and why it is restored; all else is ours.
      if (sqlState(error) === undefined && !isUnreachable(error)) throw error;
      unread = (error as Error).message;
      return null;
    }
  };
  const client = await unlessBroken(() => connect(database.superuserUrl("cell"), `${database.cell}-restore`));
  let lost = client === null;
  client?.on("error", () => (lost = true));
  const close = async (): Promise<void> => {
    if (!lost) await client?.end();
  };
  try {
    const claimToken = await unlessBroken(async () => {
      if (client === null) return null;
      await awaitArchived(database, await sealWal(client), clock);
      return await claimTokenOf(client);
    });
    return {
      claimToken: claimToken ?? 0,
      get unread() {
        return unread;
      },
      marks: async (after) =>
        client === null || claimToken === null
          ? null
          : await unlessBroken(() => tenantMarks(client, { after, until: null })),
      close,
    };
  } catch (error) {
    await close();
    throw error;
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
