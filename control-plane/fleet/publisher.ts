import type { Envelope, Generation } from "../../common/contracts/fleet.ts";
import { compareGenerations } from "../../common/fleet/document.ts";
import { sealEnvelope, sealPayload } from "../../common/fleet/envelope.ts";
import type { SigningKey } from "../../common/keys.ts";
import type { Logger } from "../../common/log.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { Loop } from "../loop.ts";
import {
  currentPosition,
  forgetDeltas,
  readDocument,
  signedDeltasAfter,
  storeSignatures,
  storeSnapshot,
  storedSnapshot,
  unsignedDeltas,
  type Position,
  type SignedDelta,
} from "./publication.store.ts";

/** Signed and read at once; a burst larger than this goes on in the next round. */
const batch = 500;
/** Kept in memory for subscribers that are nearly up to date; others read the registry. */
const recentLimit = 1_000;
/** Kept in the registry; whoever is further behind takes the snapshot. */
const retainedDeltas = 10_000;
const forgetEveryMs = 60_000;
/** Should a notification get lost, a change is late by this much. */
const lookEveryMs = 1_000;

/**
 * Signs the fleet document's deltas in order and hands them to whoever follows. Several may run at once: each signs what it
 * finds, the first stored signature wins, and every one serves only what is stored.
 */
export class FleetPublisher {
  readonly #pool: Pool;
  readonly #key: SigningKey;
  readonly #log: Logger;
  readonly #followers = new Set<() => void>();
  #recent: SignedDelta[] = [];
  #position: Position | null = null;
  #forgetTimer: NodeJS.Timeout | null = null;
  #snapshot: { readonly at: Position; readonly envelope: Promise<Envelope> } | null = null;

  constructor(options: { readonly pool: Pool; readonly key: SigningKey; readonly log: Logger }) {
    this.#pool = options.pool;
    this.#key = options.key;
    this.#log = options.log;
  }

  /** Signs what is waiting and begins to forget old deltas. */
  async start(): Promise<void> {
    this.#position = await currentPosition(this.#pool);
    await this.advance();
    this.#forgetTimer = setInterval(() => {
      forgetDeltas(this.#pool, retainedDeltas).catch((error: unknown) =>
        this.#log.warn({ event: "fleet-forget-failed", err: error }),
      );
    }, forgetEveryMs);
    this.#forgetTimer.unref();
  }

  stop(): void {
    if (this.#forgetTimer !== null) clearInterval(this.#forgetTimer);
  }

  /** Up to where everything is signed. */
  get position(): Position {
    if (this.#position === null) throw new Error("the publisher has not started");
    return this.#position;
  }

  /** Signs and takes in what is new. One at a time. */
  async advance(): Promise<void> {
    await this.#signAll();
    await this.#takeIn();
  }

  /** The rhythm in which it advances: at every signal that something was committed, and on a timer. */
  createLoop(): Loop {
    return new Loop({ name: "fleet-publisher", everyMs: lookEveryMs, work: () => this.advance(), log: this.#log });
  }

  /** Calls `wake` whenever the position has moved; the answer ends that. */
  follow(wake: () => void): () => void {
    this.#followers.add(wake);
    return () => this.#followers.delete(wake);
  }

  /** Deltas after a generation, in order; empty when there is none; null when they are forgotten and the snapshot is needed. */
  async after(generation: Generation, limit: number): Promise<readonly SignedDelta[] | null> {
    const position = this.position;
    if (generation.term !== position.term) return null;
    if (generation.n >= position.n) return [];
    const first = this.#recent[0];
    if (first !== undefined && first.to.term === generation.term && first.to.n <= generation.n + 1) {
      const begin = generation.n + 1 - first.to.n;
      return this.#recent.slice(begin, begin + limit);
    }
    const stored = await signedDeltasAfter(this.#pool, generation, limit);
    return stored[0]?.to.n === generation.n + 1 ? stored : null;
  }

  /** The signed snapshot of the present generation: the stored one, else made, signed and stored now. */
  async snapshot(): Promise<Envelope> {
    const at = await currentPosition(this.#pool);
    if (this.#snapshot === null || compareGenerations(this.#snapshot.at, at) !== 0) {
      const envelope = this.#makeSnapshot(at);
      const made = { at, envelope };
      this.#snapshot = made;
      envelope.catch(() => {
        if (this.#snapshot === made) this.#snapshot = null;
      });
    }
    return await this.#snapshot.envelope;
  }

  async #makeSnapshot(at: Position): Promise<Envelope> {
    const stored = await storedSnapshot(this.#pool, at);
    if (stored !== null) return stored;
    const { at: read, rows } = await readDocument(this.#pool);
    const snapshot = { kind: "snapshot", generation: { term: read.term, n: read.n }, hash: read.hash, rows };
    return await storeSnapshot(this.#pool, read, sealEnvelope(snapshot, this.#key));
  }

  async #signAll(): Promise<void> {
    for (;;) {
      const waiting = await unsignedDeltas(this.#pool, batch);
      if (waiting.length === 0) return;
      const signed = waiting.map(({ term, n, payload }) => ({ term, n, ...sealPayload(payload, this.#key) }));
      await storeSignatures(this.#pool, signed);
    }
  }

  async #takeIn(): Promise<void> {
    if (this.#position === null) return;
    for (;;) {
      const fresh = await signedDeltasAfter(this.#pool, this.#position, batch);
      const last = fresh.at(-1);
      if (last === undefined) return;
      const [next] = fresh;
      // After a recovery of the registry the term is another, and what is remembered no longer leads there.
      if (next !== undefined && (next.to.term !== this.#position.term || next.to.n !== this.#position.n + 1))
        this.#recent = [];
      this.#recent = [...this.#recent, ...fresh].slice(-recentLimit);
      this.#position = last.to;
      for (const wake of this.#followers) wake();
    }
  }
}
