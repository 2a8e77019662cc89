import { findCellDatabase, type CellDatabase } from "../../../cells/drivers/local/backup/cell-database.ts";
import type { RestoreMeans } from "../../../cells/drivers/local/backup/beside.ts";
import { driverError } from "../../../cells/drivers/errors.ts";
import { systemClock } from "../../../common/clock.ts";
import { cellId, matches, type CellId } from "../../../common/ids.ts";
import type { Context } from "../../context.ts";
import { cliError } from "../../errors.ts";
import { supervisorOf } from "../../supervisor.ts";

/** What backups and restores work with on this machine: they need the supervisor, and no control plane. */
export async function restoreMeans(context: Context): Promise<RestoreMeans> {
  return { supervisor: await supervisorOf(context), clock: systemClock };
}

/** @throws unknown-cell */
export async function databaseOf(context: Context, cell: string): Promise<CellDatabase> {
  await context.fleet();
  return await findCellDatabase(context.home, cellOf(cell));
}

export function cellOf(text: string): CellId {
  if (!matches("cell", text)) throw driverError("unknown-cell", `${text} is no cell's name.`);
  return cellId(text);
}

/** A moment as people write it, with its offset or Z: a local time would be another moment on another machine. @throws usage */
export function momentOf(text: string): Date {
  const isWhole = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})$/.test(text);
  const moment = new Date(text);
  if (isWhole && !Number.isNaN(moment.getTime())) return moment;
  throw cliError("usage", `${text} is no time; write it as 2026-01-31T12:00:00Z.`);
}
