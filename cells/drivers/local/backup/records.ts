import { readdir } from "node:fs/promises";
import { join } from "node:path";
import Type, { type Static } from "typebox";
import Value from "typebox/value";
import { CellIdSchema, Sha256Schema, TimestampSchema } from "../../../../common/contracts/ids.ts";
import type { CellId } from "../../../../common/ids.ts";
import { exists, readJson, writeAtomically } from "../files.ts";
import { backupPaths } from "./layout.ts";

const strict = { additionalProperties: false } as const;
export const BackupIdSchema = Type.String({ pattern: "^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}$" });

/** A file of the data directory in a base: its chunks follow one another in the pack, each compressed for itself. */
export const PackedFile = Type.Object(
  {
    path: Type.String({ minLength: 1 }),
    bytes: Type.Integer({ minimum: 0 }),
    sha256: Sha256Schema,
    /** Compressed length of each chunk, in order. */
    chunks: Type.Array(Type.Integer({ minimum: 1 })),
  },
  strict,
);
export type PackedFile = Static<typeof PackedFile>;

/** `manifest.json` of a base. It is written last: a base without one does not exist. */
export const BaseManifest = Type.Object(
  {
    version: Type.Literal(1),
    id: BackupIdSchema,
    cell: CellIdSchema,
    /** The life of the database that it is a base of. */
    life: BackupIdSchema,
    startedAt: TimestampSchema,
    /** From this moment on a recovery is consistent: the earliest point in time that this base can be restored to. */
    endedAt: TimestampSchema,
    startLsn: Type.String(),
    stopLsn: Type.String(),
    /** The first and the last segment that a recovery to `endedAt` needs. */
    firstSegment: Type.String(),
    lastSegment: Type.String(),
    segmentBytes: Type.Integer(),
    /** Content of `backup_label`, with which a server knows where to begin its recovery. */
    label: Type.String({ minLength: 1 }),
    /** Of the server that made it; a data directory runs under no other major version. */
    serverVersion: Type.Integer(),
    folders: Type.Array(Type.String()),
    files: Type.Array(PackedFile),
    bytes: Type.Integer(),
    packedBytes: Type.Integer(),
  },
  strict,
);
export type BaseManifest = Static<typeof BaseManifest>;

/** `verified.json` of a base: what a database restored from it and its WAL was found to hold. */
export const Verification = Type.Object(
  {
    at: TimestampSchema,
    /** The newest commit that was restored. */
    through: TimestampSchema,
    leases: Type.Integer(),
    tenants: Type.Integer(),
    rows: Type.Integer(),
    indexes: Type.Integer(),
    restoreMs: Type.Integer(),
  },
  strict,
);
export type Verification = Static<typeof Verification>;

/** A base as it lies on disk. */
export interface StoredBase {
  readonly manifest: BaseManifest;
  /** Null while it was not restored for a test yet, or where that failed. */
  readonly verification: Verification | null;
}

/** Ids sort by time. @param entropy four hex digits that keep two of one second apart */
export function backupId(at: Date, entropy: string): string {
  return `${at.toISOString().replaceAll(/[-:]|\.\d+/g, "")}-${entropy}`;
}

/** The moment in an id, to the second. */
export function timeOf(id: string): Date {
  const [, date = "", hours, minutes, seconds] = /^(\d{8})T(\d\d)(\d\d)(\d\d)Z/.exec(id) ?? [];
  return new Date(`${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}T${hours}:${minutes}:${seconds}Z`);
}

/** All lives of a cell that have an archive, oldest first. */
export async function listLives(home: string, cell: CellId): Promise<string[]> {
  const { backups } = backupPaths(home, cell);
  if (!(await exists(backups))) return [];
  return (await readdir(backups)).filter((name) => Value.Check(BackupIdSchema, name)).toSorted();
}

/** The finished bases of a life, oldest first. @throws Error for a manifest that is damaged */
export async function listBases(home: string, cell: CellId, life: string): Promise<StoredBase[]> {
  const paths = backupPaths(home, cell);
  if (!(await exists(paths.bases(life)))) return [];
  const bases: StoredBase[] = [];
  for (const id of (await readdir(paths.bases(life))).toSorted()) {
    const manifest = await readJson(join(paths.base(life, id), "manifest.json"));
    if (manifest === null) continue;
    if (!Value.Check(BaseManifest, manifest)) throw new Error(`${paths.base(life, id)} has a damaged manifest`);
    const verification = await readJson(join(paths.base(life, id), "verified.json"));
    bases.push({ manifest, verification: Value.Check(Verification, verification) ? verification : null });
  }
  return bases;
}

export async function writeManifest(folder: string, manifest: BaseManifest): Promise<void> {
  await writeAtomically(join(folder, "manifest.json"), `${JSON.stringify(manifest)}\n`);
}

export async function writeVerification(folder: string, verification: Verification): Promise<void> {
  await writeAtomically(join(folder, "verified.json"), `${JSON.stringify(verification)}\n`);
}
