import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { copyFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import Type, { type Static, type TSchema } from "typebox";
import Value from "typebox/value";
import { ProcessSpec, ProcessStatus } from "../../../../common/contracts/supervisor.ts";
import { writeAtomically } from "../files.ts";

/** `desired.json`. */
export const DesiredRecord = Type.Object({
  version: Type.Literal(1),
  processes: Type.Array(Type.Object({ spec: ProcessSpec, held: Type.Boolean() })),
});
export type DesiredRecord = Static<typeof DesiredRecord>;

const StateEntry = Type.Object({
  /** Null while it does not run. */
  startTime: Type.Union([Type.String(), Type.Null()]),
  /** Digest of the spec it was started with. */
  spec: Type.String(),
  status: ProcessStatus,
});
export type StateEntry = Static<typeof StateEntry>;

/** `state.json`. */
export const StateRecord = Type.Object({
  version: Type.Literal(1),
  boot: Type.String(),
  processes: Type.Array(StateEntry),
});
export type StateRecord = Static<typeof StateRecord>;

/**
 * Reads a record; null where there is none.
 * @throws Error when it is not what it should be: better not to begin than to act on half a file.
 */
export function readRecord<Schema extends TSchema>(path: string, schema: Schema): Static<Schema> | null {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  const value: unknown = JSON.parse(text);
  if (!Value.Check(schema, value)) {
    const [first] = Value.Errors(schema, value);
    throw new Error(`${path} is not a supervisor's record: ${first?.instancePath ?? ""} ${first?.message ?? ""}`);
  }
  return value as Static<Schema>;
}

/** What should run, and what had to be passed over to know it. */
export interface DesiredFound {
  readonly processes: DesiredRecord["processes"];
  /** Why the newest record could not be used; then the one before it was. */
  readonly damage: unknown;
}

const beforeIt = (path: string): string => `${path}.previous`;

/**
 * What should run, as last written down; where a disk lost that record, the one before it.
 * @throws Error when neither is what it should be: better not to begin than to act on half a file.
 */
export function readDesired(path: string): DesiredFound {
  try {
    return { processes: readRecord(path, DesiredRecord)?.processes ?? [], damage: null };
  } catch (damage) {
    const previous = readRecord(beforeIt(path), DesiredRecord);
    if (previous === null) throw damage;
    return { processes: previous.processes, damage };
  }
}

/** Survives a power cut, and keeps the record before it. */
export async function writeDesired(path: string, record: DesiredRecord): Promise<void> {
  try {
    await copyFile(path, `${beforeIt(path)}.unfinished`);
    await rename(`${beforeIt(path)}.unfinished`, beforeIt(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  await writeAtomically(path, `${JSON.stringify(record, null, 2)}\n`);
}

/** At once, because a pid that is not written down is a process that the next supervisor does not know; not synced, because after a power cut no pid counts. */
export function writeState(path: string, record: StateRecord): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.unfinished`, `${JSON.stringify(record)}\n`, { mode: 0o600 });
  renameSync(`${path}.unfinished`, path);
}
