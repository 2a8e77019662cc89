import { join } from "node:path";
import type { CellPorts } from "../../../../common/contracts/home.ts";
import type { CellId } from "../../../../common/ids.ts";
import { cellPaths } from "../cell-layout.ts";

/**
 * Where a cell's backups lie: beside its data directory, one folder a life of the database, so that the timelines of two lives never mix.
 * The folders on the way to `wal` may be entered by the databases' user, who archives into it; only its own folder may it read.
 */
export const backupPaths = (home: string, cell: CellId) => {
  const { folder } = cellPaths(home, cell);
  const backups = join(folder, "backups");
  return {
    cell: folder,
    backups,
    life: (life: string) => join(backups, life),
    wal: (life: string) => join(backups, life, "wal"),
    bases: (life: string) => join(backups, life, "bases"),
    base: (life: string, id: string) => join(backups, life, "bases", id),
    /** Databases that were restored beside the cell; nothing in it outlives the operation that made it. */
    beside: join(folder, "beside"),
    /** Data directories that a restore replaced. */
    aside: join(folder, "aside"),
  } as const;
};

/** The archive of a life as the server sees it from its data directory. */
export const archiveSeenFromData = (life: string): string => `../backups/${life}/wal`;

/** The process of a database that was restored beside its cell. */
export const besideProcess = (cell: CellId): string => `${cell}-beside`;

/** A block has ten ports a cell; the ninth is for the database that is restored beside it. */
export const besidePort = (ports: CellPorts): number => ports.postgres + 8;
