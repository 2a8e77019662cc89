import { SpanStatusCode, trace, type Span } from "@opentelemetry/api";
import type { Assertion } from "../../common/contracts/assertion.ts";
import type { TenantId } from "../../common/ids.ts";
import type { Logger } from "../../common/log.ts";
import type { CacheStore, TenantCache } from "./cache.ts";
import type { HeldKey } from "./idempotency/held-key.ts";
import { tenantQueue } from "./queue/tenant-queue.ts";
import type { Streams } from "./streams/streams.ts";
import type { TenantDatabase, Transaction } from "./tenant.store.ts";

/** A tenant's transactions; each checks the lease, each lasts at most 5 s. */
export interface TenantDb {
  /** Several reads of one snapshot; nothing can be written. */
  read<Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result>;
  /**
   * Reads and writes that commit together. Under an idempotency key the result is kept with the effects, and a repetition after a crash gets it instead
   * of running `work` again: so it should be plain JSON, and what leads to a write should depend on the request alone.
   */
  write<Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result>;
}

export interface TenantTrace {
  /** Runs `work` in a span labelled with the tenant; an error is recorded on it. */
  span<Result>(name: string, work: (span: Span) => Promise<Result>): Promise<Result>;
}

export interface TenantServices {
  readonly database: TenantDatabase;
  readonly cache: CacheStore;
  readonly streams: Streams;
  readonly log: Logger;
}

const tracer = trace.getTracer("cellplane.kit");

/** What a route has of its tenant: everything is labelled with, and confined to, this tenant. */
export class TenantContext {
  readonly id: TenantId;
  readonly epoch: number;
  readonly synthetic: boolean;
  /** Id of the API key, or `anonymous`. */
  readonly principal: string;
  readonly queue = tenantQueue;
  readonly #services: TenantServices;
  /** Transactions that have committed, or may have. */
  #commits = 0;
  #heldKey: HeldKey | undefined;
  #openedMs: number | undefined;
  #cache: TenantCache | undefined;
  #log: Logger | undefined;

  constructor(assertion: Assertion, services: TenantServices) {
    this.id = assertion.tenant;
    this.epoch = assertion.epoch;
    this.synthetic = assertion.synthetic;
    this.principal = assertion.principal;
    this.#services = services;
  }

  /** Whether anything of this request may have committed; then it must not be sent again. */
  get committed(): boolean {
    return this.#commits > 0;
  }

  get db(): TenantDb {
    const { database } = this.#services;
    const scope = { tenant: this.id, epoch: this.epoch };
    const beforeCommit = (): void => {
      this.#commits += 1;
    };
    const notCommitted = (): void => {
      this.#commits -= 1;
    };
    return {
      read: (work) => database.run(scope, "read", work),
      write: async (work) => {
        const key = this.#heldKey;
        if (key === undefined)
          return database.run(scope, "write", work, { beforeCommit, notCommitted, workMayEnd: true });
        return key.step(work, (step) => database.run(scope, "write", step, { beforeCommit }), beforeCommit);
      },
    };
  }

  /** The kit's own: from now on each write is a step of the request that bears this key. */
  workUnder(key: HeldKey): void {
    this.#heldKey = key;
  }

  /**
   * The kit's own: begins a stream of this request.
   * @param elapsedMs how long it took to get here, which is what the request is measured by: how long a stream lasts says nothing.
   * @returns what to call when it is over.
   */
  admitStream(end: () => void, elapsedMs: number): () => void {
    const leave = this.#services.streams.admit(this, end);
    this.#openedMs = elapsedMs;
    return leave;
  }

  /** Milliseconds until the stream began, undefined for an ordinary request. */
  get streamOpenedMs(): number | undefined {
    return this.#openedMs;
  }

  get cache(): TenantCache {
    this.#cache ??= this.#services.cache.of(this.id, this.epoch);
    return this.#cache;
  }

  get log(): Logger {
    this.#log ??= this.#services.log.child({ tenant: this.id, epoch: this.epoch });
    return this.#log;
  }

  get trace(): TenantTrace {
    return {
      span: (name, work) =>
        tracer.startActiveSpan(
          name,
          { attributes: { "cellplane.tenant": this.id, "cellplane.epoch": this.epoch } },
          async (span) => {
            try {
              return await work(span);
            } catch (error) {
              span.setStatus({ code: SpanStatusCode.ERROR });
              if (error instanceof Error) span.recordException(error);
              throw error;
            } finally {
              span.end();
            }
          },
        ),
    };
  }
}
