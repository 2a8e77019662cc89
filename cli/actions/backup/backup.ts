import { createBackup as takeBackup, readBackups } from "../../../cells/drivers/local/backup/backups.ts";
import type { StoredBase } from "../../../cells/drivers/local/backup/records.ts";
import type { Answer, Context } from "../../context.ts";
import { facts, table } from "../../text.ts";
import { holdingIfHeard } from "./claims.ts";
import { databaseOf, restoreMeans } from "./machine.ts";

interface OneCell {
  readonly cell: string;
}

/** `backup create`: returns when the backup was restored for a test. A rollout and a restore of the cell are kept away meanwhile, where the control plane lives. */
export async function createBackup(context: Context, { cell }: OneCell): Promise<Answer> {
  const database = await databaseOf(context, cell);
  const stored = await holdingIfHeard(context, { kind: "backup", cells: [database.cell] }, async (held) => {
    if (held === null) context.progress("The control plane is away: nobody is kept from the cell meanwhile.\n");
    context.progress(`Copying ${cell}, then restoring the copy beside it for a test …\n`);
    return await takeBackup(database, await restoreMeans(context));
  });
  const shown = show(stored);
  const text = facts([
    ["backup", shown.id],
    ["of", cell],
    ["bytes", `${shown.packedBytes} (${shown.bytes} unpacked)`],
    ["restores from", shown.from],
    ["verified", shown.verified?.at ?? null],
    ["leases", shown.verified?.leases ?? null],
    ["rows", shown.verified?.rows ?? null],
    ["indexes", shown.verified?.indexes ?? null],
  ]);
  return { json: shown, text };
}

/** `backup list`: every base, and from which moment on it can be restored to any other. */
export async function listBackups(context: Context, { cell }: OneCell): Promise<Answer> {
  const { cell: id } = await databaseOf(context, cell);
  const lives = await readBackups(context.home, id);
  const backups = lives.flatMap(({ bases }) => bases.map(show));
  const rows = backups.map((backup) => [
    backup.id,
    backup.life,
    backup.from,
    backup.packedBytes,
    backup.verified === null ? "not verified" : `${backup.verified.rows} rows of ${backup.verified.tenants} tenants`,
  ]);
  return { json: { cell, backups }, text: table(["BACKUP", "LIFE", "RESTORES FROM", "BYTES", "VERIFIED"], rows) };
}

function show({ manifest, verification }: StoredBase) {
  const { id, cell, life, endedAt, bytes, packedBytes } = manifest;
  return { id, cell, life, from: endedAt, bytes, packedBytes, verified: verification };
}
