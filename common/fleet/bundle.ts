import {
  appendFileSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { Delta, Snapshot, type Envelope } from "../contracts/fleet.ts";
import { keyIdOf, publicKeyFrom } from "../keys.ts";
import type { KeyLookup } from "../tokens.ts";
import { FleetDocument, compareGenerations } from "./document.ts";
import { EnvelopeRefused, openEnvelope } from "./envelope.ts";
import type { DocumentKeeper, Loaded } from "./kept.ts";
import type { MapRows } from "./rows.ts";

/** With this many deltas behind the snapshot on disk, a fresh snapshot is fetched, so that the log stays short. */
const compactAfterDeltas = 5_000;

/**
 * The document on disk: one file, `fleet.log`. Its first line holds the snapshot's envelope and the publisher's keys that verified it; each
 * further line holds the envelope of a delta, in order. A new snapshot replaces the file by rename, so that snapshot and keys
 * are never of two minds; a delta is appended. A last line that was torn by a crash is cut off when loading.
 */
export class FleetBundle implements DocumentKeeper<MapRows> {
  readonly anewFrom = "snapshot" as const;
  readonly #path: string;
  #deltas = 0;
  #keysChanged = false;

  constructor(directory: string) {
    mkdirSync(directory, { recursive: true });
    this.#path = join(directory, "fleet.log");
  }

  /** The file holds the keys that verify all of it: after a change of the publisher's keys it begins anew with a snapshot. */
  get full(): boolean {
    return this.#keysChanged || this.#deltas > compactAfterDeltas;
  }

  async save(snapshot: Envelope, _document: FleetDocument<MapRows>, keys: readonly string[]): Promise<void> {
    this.writeSnapshot(snapshot, keys);
  }

  append(delta: Envelope): void {
    this.appendDelta(delta);
  }

  keysChanged(): void {
    this.#keysChanged = true;
  }

  /** Never needed: only the publisher can sign a snapshot. */
  async fold(): Promise<void> {
    throw new TypeError("a bundle of signed envelopes begins anew with a snapshot alone");
  }

  /** Replaces the file by this snapshot and the keys to trust with it (base64 SubjectPublicKeyInfo). */
  writeSnapshot(snapshot: Envelope, keys: readonly string[]): void {
    const draft = `${this.#path}.draft`;
    const file = openSync(draft, "w", 0o600);
    try {
      writeSync(file, `${JSON.stringify({ keys, snapshot })}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(draft, this.#path);
    this.#deltas = 0;
    this.#keysChanged = false;
  }

  appendDelta(delta: Envelope): void {
    appendFileSync(this.#path, `${JSON.stringify(delta)}\n`, { mode: 0o600 });
    this.#deltas += 1;
  }

  /**
   * Loads what lies on disk, every signature and hash verified by the keys kept with it.
   * @returns null when there is no file.
   * @throws EnvelopeRefused when the snapshot is not to be trusted. A bad delta ends the log: what came before it counts.
   */
  load(): Loaded<MapRows> | null {
    const text = this.#read();
    if (text === null) return null;
    const lines = text.split("\n");
    const head = parseHead(lines[0] ?? "");
    const lookup = lookupOf(head.keys);
    const snapshot = openEnvelope(head.snapshot, Snapshot, lookup);
    const document = FleetDocument.of(snapshot.rows, snapshot.generation);
    if (document.hash !== snapshot.hash)
      throw new EnvelopeRefused("wrong-hash", "the rows on disk do not add up to the snapshot's hash");
    this.#deltas = 0;
    let goodBytes = Buffer.byteLength(`${lines[0]}\n`);
    for (const line of lines.slice(1)) {
      if (line === "") continue;
      if (!applyLine(document, line, lookup)) {
        // The next delta must not be appended to half a line.
        truncateSync(this.#path, goodBytes);
        return { document, keys: head.keys, torn: true };
      }
      goodBytes += Buffer.byteLength(`${line}\n`);
      this.#deltas += 1;
    }
    return { document, keys: head.keys, torn: false };
  }

  #read(): string | null {
    try {
      return readFileSync(this.#path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
  }
}

function parseHead(line: string): { keys: string[]; snapshot: unknown } {
  try {
    const head = JSON.parse(line) as { keys?: unknown; snapshot?: unknown };
    if (Array.isArray(head.keys) && head.keys.every((key) => typeof key === "string"))
      return { keys: head.keys, snapshot: head.snapshot };
  } catch (cause) {
    throw new EnvelopeRefused("malformed", "the bundle's first line is not JSON", { cause });
  }
  throw new EnvelopeRefused("malformed", "the bundle names no keys");
}

function applyLine(document: FleetDocument, line: string, lookup: KeyLookup): boolean {
  try {
    const delta = openEnvelope(JSON.parse(line), Delta, lookup);
    return (
      compareGenerations(delta.from, document.generation) === 0 &&
      document.apply(delta.changes, delta.to, delta.hash) !== null
    );
  } catch (error) {
    if (error instanceof EnvelopeRefused || error instanceof SyntaxError) return false;
    throw error;
  }
}

/** A look-up over public keys given as base64 SubjectPublicKeyInfo. */
export function lookupOf(keys: readonly string[]): KeyLookup {
  const byKid = new Map(keys.map((spki) => [keyIdOf(spki), publicKeyFrom(spki)]));
  return (kid) => byKid.get(kid);
}
