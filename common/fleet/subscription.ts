import Value from "typebox/value";
import type { Clock } from "../clock.ts";
import { commandLifeSeconds } from "../contracts/assertion.ts";
import { Delta, FleetCheck, type Envelope, type Generation, type PartRow } from "../contracts/fleet.ts";
import type { SigningKey } from "../keys.ts";
import type { Logger } from "../log.ts";
import { signToken } from "../tokens.ts";
import { lookupOf } from "./bundle.ts";
import { type FleetDocument, compareGenerations, type RowChange } from "./document.ts";
import { EnvelopeRefused, openEnvelope } from "./envelope.ts";
import { readEvents } from "./event-stream.ts";
import type { DocumentKeeper } from "./kept.ts";
import { readLimited } from "./read-limited.ts";
import type { RowStore } from "./rows.ts";
import { readSnapshot } from "./snapshot.ts";
import { TrustStore } from "./trust.ts";

// A subscription to the fleet document.
//   empty      nothing on disk, nothing heard yet        → following (first snapshot)
//   following  deltas arrive in order                    → gap (a generation is missing, a hash does not fit), lost (stream closed or silent)
//   gap        the snapshot is fetched                   → following (snapshot not older than ours), lost
//   lost       the last document serves, its age rises   → following (reconnected)
// Whatever the state, readers see the last accepted document: an older, empty, corrupt or badly signed one is refused and counted.
export const subscriptionStates = ["empty", "following", "gap", "lost"] as const;
export type SubscriptionState = (typeof subscriptionStates)[number];

/** The publisher checks in at least every 5 s; three missed checks mean that the stream is dead. */
const silenceMs = 15_000;
/** Reconnects begin at this delay and double to the last, each with full jitter. */
const reconnectFirstMs = 100;
const reconnectLastMs = 3_000;
/** A longer event than this is not ours: the largest delta is one transaction's changes. */
const maxEventBytes = 16 * 1024 * 1024;
/** A snapshot is read as text, and V8 holds none of 512 MiB or more: some 800,000 tenants with a key each. */
const maxSnapshotBytes = 512 * 1024 * 1024 - 64;
/** A disk that takes nothing is tried again this often; the feed is followed meanwhile. */
const keepAgainMs = 30_000;

export interface SubscriptionOptions<Rows extends RowStore> {
  /** Base URL of the control plane. */
  readonly url: string;
  /** This part's id, the issuer of its tokens. */
  readonly part: string;
  readonly key: SigningKey;
  /** The publisher's public keys to begin with (base64 SubjectPublicKeyInfo); later ones come in the document itself. */
  readonly trustKeys: readonly string[];
  /** Where the document is kept on disk. */
  readonly keeper: DocumentKeeper<Rows>;
  /** A store for the rows of a document that comes whole. */
  readonly createRows: () => Rows;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called with the whole document when it is replaced, and with the changed rows when a delta was applied. */
  onChange?(document: FleetDocument<Rows>, changes: readonly RowChange[] | "all"): void;
  /** A larger snapshot is refused; as much as V8 can hold unless given. */
  readonly maxSnapshotBytes?: number;
}

export interface SubscriptionStatus {
  readonly state: SubscriptionState;
  readonly generation: Generation | null;
  readonly source: "feed" | "disk" | "none";
  /** Seconds since the document was last known to be current; infinite when it never was in this life. */
  readonly ageSeconds: number;
  /** How many documents were refused, by reason. */
  readonly refused: Readonly<Record<string, number>>;
  /** Seconds since the last of them; infinite when there was none. */
  readonly refusedAgoSeconds: number;
  /** How often the disk did not take what was to be kept, and whether it lacks something now. */
  readonly notKept: number;
  readonly kept: boolean;
}

/** Follows the fleet document: boots from disk, then lives by the feed, for ever. It never throws once constructed. */
export class FleetSubscription<Rows extends RowStore = RowStore> {
  readonly trust = new TrustStore();
  readonly #options: SubscriptionOptions<Rows>;
  readonly #stop = new AbortController();
  readonly #refused: Record<string, number> = {};
  #document: FleetDocument<Rows> | null = null;
  #publisherKeys: readonly string[];
  #state: SubscriptionState = "empty";
  #source: SubscriptionStatus["source"] = "none";
  #currentAt: number | null = null;
  #lagging = false;
  #refusedAt: number | null = null;
  #notKept = 0;
  /** When the disk is tried again, where it failed last; null where all is kept. */
  #keepAgainAt: number | null = null;
  #running: Promise<void> | null = null;
  #waiting: (() => void)[] = [];

  constructor(options: SubscriptionOptions<Rows>) {
    this.#options = options;
    this.#publisherKeys = options.trustKeys;
  }

  /** The last accepted document; null before the first. */
  get document(): FleetDocument<Rows> | null {
    return this.#document;
  }

  get status(): SubscriptionStatus {
    const now = this.#options.clock.monotonic();
    const secondsSince = (at: number | null) => (at === null ? Number.POSITIVE_INFINITY : (now - at) / 1000);
    return {
      state: this.#state,
      generation: this.#document?.generation ?? null,
      source: this.#source,
      ageSeconds: secondsSince(this.#currentAt),
      refused: { ...this.#refused },
      refusedAgoSeconds: secondsSince(this.#refusedAt),
      notKept: this.#notKept,
      kept: this.#keepAgainAt === null,
    };
  }

  /** Loads the bundle from disk (at once, without the control plane) and begins to follow the feed. */
  start(): void {
    this.#boot();
    this.#running = this.#follow();
  }

  /** Resolves when a document is there, from disk or from the feed. */
  async ready(): Promise<FleetDocument<Rows>> {
    if (this.#document !== null) return this.#document;
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
    });
    return this.ready();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  #boot(): void {
    try {
      const loaded = this.#options.keeper.load();
      if (loaded === null) return;
      this.#publisherKeys = [...new Set([...this.#publisherKeys, ...loaded.keys])];
      this.#accept(loaded.document, "disk");
      if (loaded.torn) this.#options.log.warn({ event: "fleet-log-torn", generation: loaded.document.generation });
    } catch (error) {
      this.#refuse(error, "disk");
    }
  }

  async #follow(): Promise<void> {
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      try {
        if (this.#document === null || this.#state === "gap") await this.#fetchSnapshot();
        await this.#tidyDisk();
        await this.#readStream(() => {
          failures = 0;
        });
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (error instanceof EnvelopeRefused) this.#refuse(error, "feed");
        else if (failures === 0) this.#options.log.warn({ event: "fleet-feed-lost", err: error });
        failures += 1;
      }
      if (this.#state === "following") this.#state = "lost";
      await this.#pause(failures);
    }
  }

  async #readStream(heard: () => void): Promise<void> {
    const at = this.#document?.generation;
    if (at === undefined) return;
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(new Error("the feed fell silent")), silenceMs);
    try {
      const signal = AbortSignal.any([this.#stop.signal, silence.signal]);
      const response = await this.#get(`/v1/fleet/stream?term=${at.term}&n=${at.n}`, signal);
      if (response.body === null) throw new Error("the feed has no body");
      for await (const { event, data } of readEvents(response.body, maxEventBytes)) {
        timer.refresh();
        heard();
        this.#take(event, data);
        if (this.#state === "gap") return;
        await this.#tidyDisk();
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #take(event: string, data: string): void {
    if (event === "delta") this.#takeDelta(parsed(data) as Envelope);
    else if (event === "reset") this.#state = "gap";
    else if (event === "check") this.#takeCheck(parsed(data));
  }

  #takeDelta(envelope: Envelope): void {
    const document = this.#document;
    if (document === null) return;
    const delta = openEnvelope(envelope, Delta, lookupOf(this.#publisherKeys));
    if (compareGenerations(delta.to, document.generation) <= 0) {
      this.#count("older");
      return;
    }
    const changes =
      compareGenerations(delta.from, document.generation) === 0
        ? document.apply(delta.changes, delta.to, delta.hash)
        : null;
    if (changes === null) {
      this.#count("gap");
      this.#state = "gap";
      return;
    }
    this.#append(envelope);
    this.#current();
    this.#lagging = false;
    if (changes.some((change) => change.name.startsWith("part/"))) this.#learnKeys(document);
    if (changes.some((change) => change.name === "part/publisher")) this.#options.keeper.keysChanged();
    this.#options.onChange?.(document, changes);
  }

  #takeCheck(value: unknown): void {
    const document = this.#document;
    if (document === null || !Value.Check(FleetCheck, value)) return;
    const order = compareGenerations(value.generation, document.generation);
    if (order === 0 && value.hash === document.hash) {
      this.#lagging = false;
      this.#current();
    } else if (order === 0 || (order > 0 && this.#lagging)) {
      this.#count(order === 0 ? "wrong-hash" : "gap");
      this.#options.log.error({ event: "fleet-document-differs", ours: document.generation, theirs: value.generation });
      this.#state = "gap";
    } else if (order > 0) {
      // A delta may be on its way; when the next check still finds us behind, it was lost.
      this.#lagging = true;
    } else {
      this.#count("older");
      this.#options.log.error({
        event: "fleet-publisher-is-older",
        ours: document.generation,
        theirs: value.generation,
      });
    }
  }

  async #fetchSnapshot(): Promise<void> {
    const response = await this.#get(
      "/v1/fleet/snapshot",
      AbortSignal.any([this.#stop.signal, AbortSignal.timeout(30_000)]),
    );
    const envelope = parsed(
      await readLimited(response, this.#options.maxSnapshotBytes ?? maxSnapshotBytes),
    ) as Envelope;
    const document = await readSnapshot(envelope, lookupOf(this.#publisherKeys), this.#options.createRows());
    if (this.#document !== null && compareGenerations(document.generation, this.#document.generation) < 0) {
      throw new EnvelopeRefused("older", "the control plane offers an older document than ours");
    }
    this.#accept(document, "feed");
    this.#current();
    await this.#keep(() => this.#options.keeper.save(envelope, document, this.#publisherKeys));
  }

  #append(delta: Envelope): void {
    if (this.#keepAgainAt !== null) return;
    try {
      this.#options.keeper.append(delta);
    } catch (error) {
      this.#diskFailed(error);
    }
  }

  /** Begins the file on disk anew where that is due. What the disk does not take is not fatal: a restart finds an older document. */
  async #tidyDisk(): Promise<void> {
    const { keeper, clock } = this.#options;
    const document = this.#document;
    if (document === null) return;
    if (this.#keepAgainAt === null ? !keeper.full : clock.monotonic() < this.#keepAgainAt) return;
    if (keeper.anewFrom === "memory") await this.#keep(() => keeper.fold(document, this.#publisherKeys));
    else await this.#fetchSnapshot();
  }

  async #keep(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#keepAgainAt = null;
    } catch (error) {
      this.#diskFailed(error);
    }
  }

  #diskFailed(error: unknown): void {
    this.#notKept += 1;
    this.#keepAgainAt = this.#options.clock.monotonic() + keepAgainMs;
    this.#options.log.error({ event: "fleet-document-not-kept", err: error });
  }

  #accept(document: FleetDocument<Rows>, source: "feed" | "disk"): void {
    this.#document = document;
    this.#source = source;
    this.#learnKeys(document);
    this.#options.onChange?.(document, "all");
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #current(): void {
    this.#state = "following";
    this.#source = "feed";
    this.#currentAt = this.#options.clock.monotonic();
  }

  #learnKeys(document: FleetDocument): void {
    for (const { part, error } of this.trust.replace(document))
      this.#options.log.error({ event: "unreadable-key", of: part, err: error });
    const publisher = document.row("part/publisher") as PartRow | undefined;
    if (publisher !== undefined) this.#publisherKeys = [...new Set([...this.#options.trustKeys, ...publisher.keys])];
  }

  async #get(path: string, signal: AbortSignal): Promise<Response> {
    const now = Math.floor(this.#options.clock.now() / 1000);
    const claims = { iss: this.#options.part, aud: "control-plane", iat: now, exp: now + commandLifeSeconds };
    const token = await signToken("cp-command", claims, this.#options.key);
    const response = await fetch(new URL(path, this.#options.url), {
      headers: { authorization: `Bearer ${token}` },
      signal,
      redirect: "error",
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new Error(`the control plane answered ${response.status} at ${path.split("?", 1)[0]}`);
    }
    return response;
  }

  #refuse(error: unknown, from: "feed" | "disk"): void {
    this.#count(error instanceof EnvelopeRefused ? error.reason : "unreadable");
    this.#options.log.error({ event: "fleet-document-refused", from, err: error });
  }

  #count(reason: string): void {
    this.#refused[reason] = (this.#refused[reason] ?? 0) + 1;
    this.#refusedAt = this.#options.clock.monotonic();
  }

  async #pause(failures: number): Promise<void> {
    const longest = Math.min(reconnectLastMs, reconnectFirstMs * 2 ** Math.min(failures, 10));
    const delay = Math.random() * longest;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, delay);
      const stop = this.#stop.signal;
      function done(): void {
        clearTimeout(timer);
        stop.removeEventListener("abort", done);
        resolve();
      }
      stop.addEventListener("abort", done);
    });
  }
}

/** @throws EnvelopeRefused */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new EnvelopeRefused("malformed", "not JSON", { cause });
  }
}
