import { SpanStatusCode, trace, type Span } from "@opentelemetry/api";
import type { Static, TSchema } from "typebox";
import type { Assertion } from "../../common/contracts/assertion.ts";
import type { TenantId } from "../../common/ids.ts";
import type { Logger } from "../../common/log.ts";
import type { Redis } from "../../common/redis/client.ts";
import { tenantCache, type TenantCache } from "./cache.ts";
import { addJob, type AddOptions, type JobKind } from "./queue/outbox.store.ts";
import type { TenantDatabase, Transaction } from "./tenant.store.ts";

/** A tenant's transactions; each checks the lease, each lasts at most 5 s. */
export interface TenantDb {
  /** Several reads of one snapshot; nothing can be written. */
  read<Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result>;
  /** Reads and writes that commit together. */
  write<Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result>;
}

export interface TenantQueue {
  /** Writes a job down in the same transaction as the data it follows from: either both are there or neither. */
  add<Payload extends TSchema>(
    tx: Transaction,
    job: JobKind<Payload>,
    payload: Static<Payload>,
    options?: AddOptions,
  ): Promise<void>;
}

export interface TenantTrace {
  /** Runs `work` in a span labelled with the tenant; an error is recorded on it. */
  span<Result>(name: string, work: (span: Span) => Promise<Result>): Promise<Result>;
}

export interface TenantServices {
  readonly database: TenantDatabase;
  readonly redis: Redis;
  readonly log: Logger;
}

const tracer = trace.getTracer("cellplane.kit");
export const tenantQueue: TenantQueue = { add: addJob };

/** What a route has of its tenant: everything is labelled with, and confined to, this tenant. */
export class TenantContext {
  readonly id: TenantId;
  readonly epoch: number;
  readonly synthetic: boolean;
  /** Id of the API key, or `anonymous`. */
  readonly principal: string;
  readonly queue = tenantQueue;
  readonly #services: TenantServices;
  #committed = false;
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
    return this.#committed;
  }

  get db(): TenantDb {
    const { database } = this.#services;
    const scope = { tenant: this.id, epoch: this.epoch };
    return {
      read: (work) => database.run(scope, "read", work),
      write: (work) =>
        database.run(scope, "write", work, () => {
          this.#committed = true;
        }),
    };
  }

  get cache(): TenantCache {
    this.#cache ??= tenantCache(this.#services.redis, this.id);
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
