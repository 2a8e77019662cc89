import type { CellPorts } from "../../../../common/contracts/home.ts";
import type { CellId } from "../../../../common/ids.ts";
import { driverError } from "../../errors.ts";
import { cellPaths } from "../cell-layout.ts";
import { CellNotes, type ServerNote } from "../cell-notes.ts";
import { readCellSecrets, type CellSecrets } from "../cell-secrets.ts";

/** A cell's database, as provisioning left word of it: all that backup and restore need, whether it runs or not. */
export interface CellDatabase {
  readonly home: string;
  readonly cell: CellId;
  readonly directory: string;
  readonly ports: CellPorts;
  readonly server: ServerNote;
  readonly secrets: CellSecrets;
  readonly notes: CellNotes;
  /** The running database as its superuser. */
  superuserUrl(database: "postgres" | "cell"): string;
}

/** @throws unknown-cell; backup-failed for a cell that has not been started since archiving exists */
export async function findCellDatabase(home: string, cell: CellId): Promise<CellDatabase> {
  const paths = cellPaths(home, cell);
  const notes = new CellNotes(paths.notes);
  const [record, server, secrets] = await Promise.all([notes.record(), notes.server(), readCellSecrets(paths.secrets)]);
  if (record === null || secrets === null) throw driverError("unknown-cell", `There is no cell ${cell} here.`);
  if (server === null)
    throw driverError(
      "backup-failed",
      `${cell} was last started by an older version; \`npm start\` brings it up to date.`,
    );
  return {
    home,
    cell,
    directory: paths.data,
    ports: record.ports,
    server,
    secrets,
    notes,
    superuserUrl: (database) => superuserUrl(secrets, record.ports.postgres, database),
  };
}

/** A database of the cell as its superuser, at some port. */
export function superuserUrl(secrets: CellSecrets, port: number, database: "postgres" | "cell"): string {
  return `postgres://postgres:${secrets.superuser}@127.0.0.1:${port}/${database}`;
}
