import type { Envelope } from "../contracts/fleet.ts";
import type { FleetDocument } from "./document.ts";
import type { RowStore } from "./rows.ts";

/** What lay on disk. */
export interface Loaded<Rows extends RowStore> {
  readonly document: FleetDocument<Rows>;
  /** The publisher's keys that were trusted with it (base64 SubjectPublicKeyInfo). */
  readonly keys: readonly string[];
  /** Whether the end of the log was cut off by a crash; what came before it counts. */
  readonly torn: boolean;
}

/**
 * Where a subscriber keeps its document for the next boot: a snapshot and, behind it, a log of deltas, in one file with the publisher's keys, so that
 * they are never of two minds. What is written has been verified.
 */
export interface DocumentKeeper<Rows extends RowStore> {
  /** @returns null when there is nothing. @throws EnvelopeRefused when what is there is not to be trusted. */
  load(): Loaded<Rows> | null;
  /** Replaces everything by a document that came whole. */
  save(snapshot: Envelope, document: FleetDocument<Rows>, keys: readonly string[]): Promise<void>;
  /** A delta that has been applied. */
  append(delta: Envelope): void;
  /** The publisher has other keys now. */
  keysChanged(): void;
  /** Whether it has to begin anew before it can go on well. */
  readonly full: boolean;
  /** By what it begins anew: the document in memory (`fold`), or a fresh snapshot (`save`). */
  readonly anewFrom: "memory" | "snapshot";
  /** Begins anew with the document in memory, which does not change meanwhile. */
  fold(document: FleetDocument<Rows>, keys: readonly string[]): Promise<void>;
}
