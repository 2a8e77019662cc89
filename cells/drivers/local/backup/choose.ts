import { timeOf, type BaseManifest, type StoredBase } from "./records.ts";

/** A life of a cell's database with its bases, both oldest first. */
export interface LifeBackups {
  readonly life: string;
  readonly bases: readonly StoredBase[];
}

/**
 * The base to restore from, pure: the newest that is consistent at the moment asked for, in the life that the database was in then. A base that was restored for
 * a test once goes before a newer one that never was, as long as WAL leads from it to the moment.
 * @param until null for the newest state there is, in the newest life that has a base
 * @returns null where there is none
 */
export function chooseBase(lives: readonly LifeBackups[], until: Date | null): BaseManifest | null {
  const candidates =
    until === null
      ? lives.findLast(({ bases }) => bases.length > 0)?.bases
      : lives
          .findLast(({ life }) => timeOf(life) <= until)
          ?.bases.filter(({ manifest }) => new Date(manifest.endedAt) <= until);
  const newest = candidates?.findLast(({ verification }) => verification !== null) ?? candidates?.at(-1);
  return newest?.manifest ?? null;
}
