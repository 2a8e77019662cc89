import type { Static, TObject, TSchema } from "typebox";
import type { MergeKind } from "../../common/contracts/rollups.ts";
import type { Server } from "../../common/http/server.ts";
import type { IdempotencyPolicy } from "./idempotency/keys.ts";
import type { TenantContext, TenantQueue } from "./tenant.ts";
import type { Transaction } from "./tenant.store.ts";

// What an application is written on. Everything it may use of Cellplane is named in this file.
export { default as Type, type Static } from "typebox";
export { errorsOf, type ErrorTable } from "../../common/errors.ts";
export { oneOf } from "../../common/contracts/ids.ts";
export { distinctOf, mergeDistinct, type DistinctSketch } from "../../aggregator/merge/distinct.ts";
export { defaultRelativeError, quantile, type QuantileSketch } from "../../aggregator/merge/quantiles.ts";
export { readRollups, recordRollup } from "./rollups/record.store.ts";
export { entityTag, requireMatch } from "./http/entity-tags.ts";
export { definePages, type PageRequest, type Pages, type PagesOptions } from "./http/pages.ts";
export { sendEvents, type EventStream, type ServerSentEvent } from "./streams/event-stream.ts";
export type { WebSocket } from "./streams/sockets.ts";
export type { Server } from "../../common/http/server.ts";
export type { TenantContext, TenantQueue } from "./tenant.ts";
export type { Transaction } from "./tenant.store.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** The tenant whose request this is; it was proven before the route runs. */
    tenant: TenantContext;
  }
  interface FastifyContextConfig {
    /** `key` (default): an anonymous caller gets 401. `none`: the route proves its caller by other means. */
    auth?: "key" | "none";
    /**
     * What an unsafe method does with `Idempotency-Key`. `accepted` (default): a request that bears one is carried out once, however often it is sent.
     * `required`: without one it is 400. `off` (default of routes with `auth: "none"`): the field is not looked at. What a repetition gets when the first
     * try was cut off is said at {@link TenantDb.write}.
     */
    idempotency?: IdempotencyPolicy;
    /** Set by the kit for routes with `websocket: true`. */
    websocket?: boolean;
  }
}

/** What a job works with: the transaction in which its effects and its receipt commit together. */
export interface JobContext<Settings> {
  readonly tx: Transaction;
  readonly queue: TenantQueue;
  readonly settings: Settings;
  /** The job's id: the idempotency key of calls to the outside. */
  readonly id: string;
  /** The try that runs, from 1. */
  readonly attempt: number;
  readonly now: Date;
}

/**
 * A kind of job. The payload's schema belongs to `version`: a changed payload is another version, so that two releases side by side never
 * run what they do not know.
 */
export interface JobDefinition<Payload extends TSchema = TSchema, Settings = never> {
  readonly name: string;
  readonly version: number;
  readonly payload: Payload;
  /** Runs by itself for each tenant, at least this often; the payload is then `{}`. */
  readonly everySeconds?: number;
  /** Tries before it becomes a dead letter; default 8. */
  readonly maxTries?: number;
  /** Runs in one transaction of at most 5 s; more work is added to the queue as another job. */
  run(payload: Static<Payload>, context: JobContext<Settings>): Promise<void>;
}

export interface Range {
  /** From this moment on, inclusive. */
  readonly from: Date;
  /** Up to this moment, exclusive. */
  readonly to: Date;
}

/** A number about a tenant that can be added up over tenants and cells. */
export interface AggregateDefinition {
  /** How values are merged over tenants. */
  readonly merge: MergeKind;
  /** The tenant's value for a range, read from the cell's own tables. */
  query(tx: Transaction, range: Range): Promise<unknown>;
}

export interface RouteOptions<Settings> {
  readonly settings: Settings;
}

export interface CellApp<Settings extends TObject = TObject> {
  readonly name: string;
  /** Settings from the environment; their defaults become part of the release. */
  readonly settings: Settings;
  readonly migrations: {
    /** The newest migration that the code needs; every later expand migration is accepted too. */
    readonly needs: number;
  };
  /** Ordinary Fastify routes; `request.tenant` is set, bodies and queries are checked strictly. */
  readonly routes: (server: Server, options: RouteOptions<Static<Settings>>) => Promise<void>;
  readonly jobs: readonly JobDefinition<TSchema, Static<Settings>>[];
  readonly aggregates: Readonly<Record<string, AggregateDefinition>>;
}

/**
 * Declares an application: routes, jobs and aggregates of one tenant at a time. Tenancy, fencing, queues, roll-ups and releases are the
 * kit's. Its folder holds this as the default export of `app.ts`, and `migrations/NNNN-name.<class>.sql`.
 */
export function defineCellApp<Settings extends TObject>(app: CellApp<Settings>): CellApp<Settings> {
  const names = app.jobs.map((job) => `${job.name}@${job.version}`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new TypeError(`the job ${twice} is defined twice`);
  return app;
}

/** Declares a kind of job; see {@link JobDefinition}. */
export function defineJob<Payload extends TSchema, Settings>(
  job: JobDefinition<Payload, Settings>,
): JobDefinition<Payload, Settings> {
  return job;
}
