import { rm } from "node:fs/promises";
import { join } from "node:path";
import Type, { type Static, type TSchema } from "typebox";
import Value from "typebox/value";
import { CellPorts } from "../../../common/contracts/home.ts";
import {
  CellIdSchema,
  RegionSchema,
  ReleaseNameSchema,
  Sha256Schema,
  TimestampSchema,
} from "../../../common/contracts/ids.ts";
import { SlotSchema, slots, type Slot } from "../../../common/contracts/lease.ts";
import type { ReleaseRef } from "../driver.ts";
import { readJson, writeAtomically } from "./files.ts";

/** What provisioning wrote down about a cell: all that later methods need to know. */
export const CellRecord = Type.Object(
  {
    version: Type.Literal(1),
    id: CellIdSchema,
    region: RegionSchema,
    ports: CellPorts,
    fleet: Type.Object({ url: Type.String(), trustKeys: Type.Array(Type.String()) }, { additionalProperties: false }),
    logLevel: Type.String(),
  },
  { additionalProperties: false },
);
export type CellRecord = Static<typeof CellRecord>;

const SlotNote = Type.Object({ name: ReleaseNameSchema, digest: Sha256Schema }, { additionalProperties: false });
/** `maybe` is the slot of a switch that was asked for and not yet answered. */
const LiveNote = Type.Object({ slot: SlotSchema, maybe: Type.Optional(SlotSchema) }, { additionalProperties: false });
const PositiveId = Type.Integer({ minimum: 1 });
/** What the cell's database is run by: a restore needs the very same. */
export const ServerNote = Type.Object(
  {
    binDir: Type.String(),
    version: Type.String(),
    user: Type.Union([
      Type.Object({ name: Type.String(), uid: PositiveId, gid: PositiveId }, { additionalProperties: false }),
      Type.Null(),
    ]),
  },
  { additionalProperties: false },
);
export type ServerNote = Static<typeof ServerNote>;
/** The life of the database whose WAL is archived now. */
const ArchiveNote = Type.Object({ life: Type.String() }, { additionalProperties: false });
const ClaimNote = Type.Object({ token: Type.Integer({ minimum: 0 }) }, { additionalProperties: false });
/** Releases that were live, newest first. */
const LivedNote = Type.Object({ digests: Type.Array(Sha256Schema) }, { additionalProperties: false });
/** The live release and the last verified one; the third is the one that a failed rollout was brought back from. */
const livedKept = 3;
const FenceNote = Type.Object({ at: TimestampSchema }, { additionalProperties: false });

/**
 * The driver's notes about one cell. Each fact has a file of its own, written whole, so that two processes that note different facts never
 * undo each other's.
 */
export class CellNotes {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  record(): Promise<CellRecord | null> {
    return this.#read("cell.json", CellRecord);
  }

  writeRecord(record: CellRecord): Promise<void> {
    return this.#write("cell.json", record);
  }

  /** What should be in each slot. */
  async slots(): Promise<Record<Slot, ReleaseRef | null>> {
    const [a, b] = await Promise.all(slots.map((slot) => this.#read(`slot-${slot}.json`, SlotNote)));
    return { a: a ?? null, b: b ?? null };
  }

  writeSlot(slot: Slot, release: ReleaseRef | null): Promise<void> {
    if (release === null) return rm(join(this.#folder, `slot-${slot}.json`), { force: true });
    return this.#write(`slot-${slot}.json`, { name: release.name, digest: release.digest });
  }

  /** The live slot as last seen: for when the cell itself cannot be asked. A new cell begins in slot a. */
  async liveSlot(): Promise<Slot> {
    return (await this.#read("live-slot.json", LiveNote))?.slot ?? "a";
  }

  /** The slots that may be live when the cell cannot be asked: two, where a switch was asked for and no answer came. */
  async maybeLive(): Promise<ReadonlySet<Slot>> {
    const note = await this.#read("live-slot.json", LiveNote);
    return new Set([note?.slot ?? "a", ...(note?.maybe === undefined ? [] : [note.maybe])]);
  }

  writeLiveSlot(slot: Slot): Promise<void> {
    return this.#write("live-slot.json", { slot });
  }

  /** Before the cell is asked to switch. */
  writeSwitch(from: Slot, to: Slot): Promise<void> {
    return this.#write("live-slot.json", { slot: from, maybe: to });
  }

  /** The highest claim that acted on the cell. */
  async claim(): Promise<number> {
    return (await this.#read("claim.json", ClaimNote))?.token ?? 0;
  }

  writeClaim(token: number): Promise<void> {
    return this.#write("claim.json", { token });
  }

  /** Digests of the releases that were live last, newest first. */
  async lived(): Promise<readonly string[]> {
    return (await this.#read("lived.json", LivedNote))?.digests ?? [];
  }

  async writeLived(digest: string): Promise<void> {
    const before = (await this.lived()).filter((other) => other !== digest);
    await this.#write("lived.json", { digests: [digest, ...before].slice(0, livedKept) });
  }

  server(): Promise<ServerNote | null> {
    return this.#read("server.json", ServerNote);
  }

  writeServer(server: ServerNote): Promise<void> {
    return this.#write("server.json", server);
  }

  /** The life whose archive the database writes to; null before archiving was first switched on. */
  async archivedLife(): Promise<string | null> {
    return (await this.#read("archive.json", ArchiveNote))?.life ?? null;
  }

  writeArchivedLife(life: string): Promise<void> {
    return this.#write("archive.json", { life });
  }

  async fenced(): Promise<boolean> {
    return (await this.#read("fenced.json", FenceNote)) !== null;
  }

  writeFence(at: Date): Promise<void> {
    return this.#write("fenced.json", { at: at.toISOString() });
  }

  async #read<Schema extends TSchema>(name: string, schema: Schema): Promise<Static<Schema> | null> {
    const path = join(this.#folder, name);
    const value = await readJson(path);
    if (value === null) return null;
    if (!Value.Check(schema, value)) throw new Error(`${path} is not what the driver wrote`);
    return value as Static<Schema>;
  }

  #write(name: string, value: object): Promise<void> {
    return writeAtomically(join(this.#folder, name), `${JSON.stringify(value)}\n`);
  }
}
