import { createHash, createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { appendFileSync, closeSync, mkdirSync, openSync, readSync, rmSync, statSync, truncateSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { join } from "node:path";
import Type, { type Static } from "typebox";
import Value from "typebox/value";
import { canonicalJson, sha256 } from "../canonical.ts";
import { Delta, Generation, type Envelope } from "../contracts/fleet.ts";
import type { SigningKey } from "../keys.ts";
import { FleetBundle } from "./bundle.ts";
import { CompactRows, type RowsAside } from "./compact/rows.ts";
import { FleetDocument, compareGenerations } from "./document.ts";
import { EnvelopeRefused } from "./envelope.ts";
import type { DocumentKeeper, Loaded } from "./kept.ts";

/** Goes up with every change of the records' layout; a file of another format is refused, and the feed brings the document. */
const format = 1;
/** The head and what lies beside the records: cells, parts, limits. Larger is not ours. */
const maxHeadBytes = 64 * 1024 * 1024;
/** The log is folded into a new image when it is as long as a quarter of it, and at least this: a change writes five times its own size at most. */
const smallestFoldBytes = 4 * 1024 * 1024;
const foldShare = 4;
const chunkBytes = 1024 * 1024;
/** So much is hashed at once while others wait: some two milliseconds. */
const turnBytes = 4 * 1024 * 1024;

const Head = Type.Object({
  format: Type.Literal(format),
  /** Machines differ in the order of a word's bytes. */
  order: Type.String(),
  generation: Generation,
  hash: Type.String({ pattern: "^[0-9a-f]{64}$" }),
  keys: Type.Array(Type.String()),
  aside: Type.Integer({ minimum: 0, maximum: maxHeadBytes }),
  image: Type.Integer({ minimum: 0 }),
  /** SHA-256 of each. */
  asideDigest: Type.String(),
  imageDigest: Type.String(),
});
type Head = Static<typeof Head>;

const byteOrder = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? "little" : "big";

/**
 * The document on disk as it lies in memory: `fleet.table`, one file. A head (JSON, a line), what lies beside the records (JSON), the records'
 * bytes; then the log, a line a delta. The part verified all of it when it came, by the publisher's signatures; here it is sealed with
 * a secret derived from the part's own key, so that a million tenants are there again in less than a second (decision 0038). Each line of the
 * log is sealed together with the seal before it: nothing can be left out, or put in another order, but at the end.
 */
export class SealedBundle implements DocumentKeeper<CompactRows> {
  readonly anewFrom = "memory" as const;
  readonly #directory: string;
  readonly #path: string;
  #secret: Buffer;
  /** That of the part's next key, from when the file is begun anew. */
  #nextSecret: Buffer | null = null;
  #seal = "";
  #imageBytes = 0;
  #logBytes = 0;

  constructor(directory: string, key: SigningKey) {
    mkdirSync(directory, { recursive: true });
    this.#directory = directory;
    this.#path = join(directory, "fleet.table");
    this.#secret = secretOf(key);
  }

  /** The part has another key: a boot will know this one alone, so the file is due to be begun anew. */
  sealWith(key: SigningKey): void {
    this.#nextSecret = secretOf(key);
  }

  get full(): boolean {
    return this.#nextSecret !== null || this.#logBytes > Math.max(smallestFoldBytes, this.#imageBytes / foldShare);
  }
  /** Bytes of the image, and of the log behind it. */
  get bytes(): { readonly image: number; readonly log: number } {
    return { image: this.#imageBytes, log: this.#logBytes };
  }

  async save(_snapshot: Envelope, document: FleetDocument<CompactRows>, keys: readonly string[]): Promise<void> {
    await this.fold(document, keys);
  }

  append(delta: Envelope): void {
    this.#seal = this.#sealOf(this.#seal, delta.payload);
    const line = `${this.#seal} ${delta.payload}\n`;
    appendFileSync(this.#path, line, { mode: 0o600 });
    this.#logBytes += Buffer.byteLength(line);
  }

  /** The document itself names the publisher's keys; no signature on disk depends on them. */
  keysChanged(): void {
    return;
  }

  /** Writes in pieces, so that requests go on between them. */
  async fold(document: FleetDocument<CompactRows>, keys: readonly string[]): Promise<void> {
    this.#secret = this.#nextSecret ?? this.#secret;
    this.#nextSecret = null;
    const rows = document.rows.compacted();
    if (rows !== document.rows) document.moveTo(rows);
    const aside = Buffer.from(JSON.stringify(rows.aside()));
    const digest = createHash("sha256");
    let image = 0;
    for (const chunk of rows.chunks()) {
      digest.update(chunk);
      image += chunk.length;
      if (image % turnBytes < chunk.length) await turn();
    }
    const head: Head = {
      format,
      order: byteOrder,
      generation: document.generation,
      hash: document.hash,
      keys: [...keys],
      aside: aside.length,
      image,
      asideDigest: sha256(aside),
      imageDigest: digest.digest("hex"),
    };
    const text = canonicalJson(head);
    const seal = this.#sealOf("", text);
    const draft = `${this.#path}.draft`;
    const file = await open(draft, "w", 0o600);
    try {
      await file.write(`${seal} ${text}\n`);
      await file.write(aside);
      for (const chunk of rows.chunks()) await file.write(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, this.#path);
    // The form that earlier releases kept; it is superseded.
    rmSync(join(this.#directory, "fleet.log"), { force: true });
    this.#seal = seal;
    this.#imageBytes = image + aside.length;
    this.#logBytes = 0;
  }

  load(): Loaded<CompactRows> | null {
    let file: number;
    try {
      file = openSync(this.#path, "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return this.#loadEarlier();
      throw error;
    }
    try {
      return this.#read(file);
    } finally {
      closeSync(file);
    }
  }

  /** What the release before this one has kept. */
  #loadEarlier(): Loaded<CompactRows> | null {
    const loaded = new FleetBundle(this.#directory).load();
    if (loaded === null) return null;
    const rows = Object.fromEntries(loaded.document.rows.entries());
    // Deltas must not be appended to a file that is not there: the next thing written is the whole.
    this.#logBytes = Number.POSITIVE_INFINITY;
    return { ...loaded, document: FleetDocument.into(new CompactRows(), rows, loaded.document.generation) };
  }

  #read(file: number): Loaded<CompactRows> {
    const { head, seal, end } = this.#readHead(file);
    const aside = readAll(file, Buffer.alloc(head.aside), end);
    if (sha256(aside) !== head.asideDigest) throw new EnvelopeRefused("wrong-hash", "the table on disk was changed");
    const rows = readRows(file, head, end + head.aside, JSON.parse(aside.toString("utf8")) as RowsAside);
    const document = FleetDocument.restored(rows, head.generation, head.hash);
    this.#seal = seal;
    this.#imageBytes = head.aside + head.image;
    this.#logBytes = 0;
    const torn = this.#readLog(file, document, end + this.#imageBytes);
    return { document, keys: head.keys, torn };
  }

  #readHead(file: number): { readonly head: Head; readonly seal: string; readonly end: number } {
    const start = Buffer.alloc(chunkBytes);
    const line = start.subarray(0, readSync(file, start, 0, chunkBytes, 0));
    const newline = line.indexOf(0x0a);
    if (newline < 65) throw new EnvelopeRefused("malformed", "the table on disk has no head");
    const seal = line.toString("latin1", 0, 64);
    const text = line.toString("utf8", 65, newline);
    if (!same(seal, this.#sealOf("", text)))
      throw new EnvelopeRefused("bad-signature", "the table on disk is not sealed by this part's key");
    const head: unknown = JSON.parse(text);
    if (!Value.Check(Head, head) || head.order !== byteOrder)
      throw new EnvelopeRefused("malformed", "the table on disk is of another format");
    if (statSync(this.#path).size < newline + 1 + head.aside + head.image)
      throw new EnvelopeRefused("malformed", "the table on disk is cut off");
    return { head, seal, end: newline + 1 };
  }

  /** Applies the log. @returns whether its end was torn; it is cut off then, so that the next delta is not appended to half a line. */
  #readLog(file: number, document: FleetDocument<CompactRows>, from: number): boolean {
    const length = statSync(this.#path).size - from;
    const log = readAll(file, Buffer.alloc(length), from);
    let at = 0;
    while (at < length) {
      const newline = log.indexOf(0x0a, at);
      const payload = newline < at + 65 ? "" : log.toString("utf8", at + 65, newline);
      const seal = this.#sealOf(this.#seal, payload);
      if (payload === "" || !same(log.toString("latin1", at, at + 64), seal) || !applyDelta(document, payload)) {
        truncateSync(this.#path, from + at);
        return true;
      }
      this.#seal = seal;
      at = newline + 1;
      this.#logBytes = at;
    }
    return false;
  }

  #sealOf(before: string, text: string): string {
    return createHmac("sha256", this.#secret).update(before).update(text).digest("hex");
  }
}

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

function same(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

function applyDelta(document: FleetDocument<CompactRows>, payload: string): boolean {
  const delta: unknown = JSON.parse(payload);
  return (
    Value.Check(Delta, delta) &&
    compareGenerations(delta.from, document.generation) === 0 &&
    document.apply(delta.changes, delta.to, delta.hash) !== null
  );
}

/** Reads the records' bytes to where they belong, and uses them only when they are known to be ours. */
function readRows(file: number, head: Head, from: number, aside: RowsAside): CompactRows {
  const rows = new CompactRows(aside);
  const digest = createHash("sha256");
  let at = from;
  for (const chunk of rows.chunks()) {
    digest.update(readAll(file, chunk, at));
    at += chunk.length;
  }
  if (at !== from + head.image || digest.digest("hex") !== head.imageDigest)
    throw new EnvelopeRefused("wrong-hash", "the table on disk was changed");
  rows.filled();
  return rows;
}

function readAll<Bytes extends Uint8Array>(file: number, into: Bytes, from: number): Bytes {
  let at = 0;
  while (at < into.length) {
    const read = readSync(file, into, at, into.length - at, from + at);
    if (read === 0) throw new EnvelopeRefused("malformed", "the table on disk is cut off");
    at += read;
  }
  return into;
}

function secretOf(key: SigningKey): Buffer {
  const seed = key.privateKey.export({ format: "der", type: "pkcs8" });
  return Buffer.from(hkdfSync("sha256", seed, "", "cellplane fleet table", 32));
}
