import { join } from "node:path";
import { rm } from "node:fs/promises";
import Type, { type Static } from "typebox";
import Value from "typebox/value";
import { readJson, writeAtomically } from "../files.ts";
import { TimestampSchema } from "../../../../common/contracts/ids.ts";
import { TenantLoss } from "../../../../common/contracts/restores.ts";
import { BackupIdSchema } from "./records.ts";

/** What a restore has left to do once it cannot be taken back: whoever comes next finishes it. */
export const RestoreNote = Type.Object(
  {
    /** Of the new life; stands in its file and, before anything starts, in the restored database. */
    incarnation: Type.String({ minLength: 1 }),
    /** Name of the archive of the new life. */
    life: BackupIdSchema,
    /** Where the replaced data directory goes; null where there was none. */
    aside: Type.Union([Type.String({ minLength: 1 }), Type.Null()]),
    /** What is told at the end. */
    base: BackupIdSchema,
    through: TimestampSchema,
    tenants: Type.Array(TenantLoss),
    /** Why nobody could count what is lost; null where it was counted. */
    uncounted: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  },
  { additionalProperties: false },
);
export type RestoreNote = Static<typeof RestoreNote>;

const path = (notes: string): string => join(notes, "restore.json");

/** The restore that was not finished, null where there is none. */
export async function readRestoreNote(notes: string): Promise<RestoreNote | null> {
  const note = await readJson(path(notes));
  if (note === null) return null;
  if (!Value.Check(RestoreNote, note)) throw new Error(`${path(notes)} is not what a restore wrote`);
  return note;
}

export const writeRestoreNote = (notes: string, note: RestoreNote): Promise<void> =>
  writeAtomically(path(notes), `${JSON.stringify(note)}\n`);

export const dropRestoreNote = (notes: string): Promise<void> => rm(path(notes), { force: true });
