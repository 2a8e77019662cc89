import { sha256 } from "../../../../common/canonical.ts";
import { driverError } from "../../errors.ts";
import { takeName } from "../kernel-lock.ts";
import type { CellDatabase } from "./cell-database.ts";

/** Exit code of a backup's process that found another at work: no failure, it comes again (EX_TEMPFAIL of sysexits). */
export const backupBusyExit = 75;

/**
 * Runs one backup or restore of a cell at a time, whichever process asks; the kernel frees the lock at any death of its holder.
 * @throws backup-busy
 */
export async function alone<Result>({ home, cell }: CellDatabase, work: () => Promise<Result>): Promise<Result> {
  const lock = await takeName(`cellplane-backup-${sha256(`${home}\n${cell}`).slice(0, 24)}`);
  if (lock === null) throw driverError("backup-busy", `${cell} is being backed up or restored.`);
  try {
    return await work();
  } finally {
    lock.close();
  }
}
