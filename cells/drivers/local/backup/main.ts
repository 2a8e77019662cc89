import { parseArgs } from "node:util";
import { systemClock } from "../../../../common/clock.ts";
import { CellplaneError } from "../../../../common/errors.ts";
import { cellId } from "../../../../common/ids.ts";
import { createLog } from "../../../../common/log.ts";
import { connectSupervisor } from "../supervisor/client.ts";
import { supervisorSettings } from "../supervisor/config.ts";
import { createBackup } from "./backups.ts";
import { clearBeside } from "./beside.ts";
import { findCellDatabase } from "./cell-database.ts";
import { alone, backupBusyExit } from "./lock.ts";

// One backup of one cell, begun by the supervisor: main.ts --home DIR --cell ID [--clear]. It ends with 0 when the backup was restored for a test,
// and with `backupBusyExit` when somebody else is at it.
// With --clear it removes what a restore beside the cell left whose process was killed.

const { values } = parseArgs({
  options: { home: { type: "string" }, cell: { type: "string" }, clear: { type: "boolean", default: false } },
});
const { home, cell, clear } = values;
if (home === undefined || cell === undefined) throw new TypeError("--home DIR and --cell ID are missing");
const log = createLog("backup", supervisorSettings().logLevel, { cell });
try {
  const supervisor = await connectSupervisor(home);
  if (supervisor === null) throw new Error("no supervisor answers");
  const database = await findCellDatabase(home, cellId(cell));
  if (clear) {
    await alone(database, () => clearBeside(database, supervisor));
    log.info({ event: "restore-leftovers-removed" });
  } else {
    const { manifest, verification } = await createBackup(database, { supervisor, clock: systemClock });
    log.info({ event: "backed-up", backup: manifest.id, bytes: manifest.packedBytes, ...verification });
  }
} catch (error) {
  if (error instanceof CellplaneError && error.code === "backup-busy") process.exitCode = backupBusyExit;
  else {
    log.error({ event: clear ? "restore-leftovers-stay" : "backup-failed", err: error });
    process.exitCode = 1;
  }
}
