import Type, { type Static, type TObject, type TSchema } from "typebox";
import type { JourneyStep } from "../../common/contracts/release.ts";
import type { Server } from "../../common/http/server.ts";
import type { AggregateDefinition } from "./aggregate.ts";
import type { IdempotencyPolicy } from "./idempotency/keys.ts";
import type { TenantQueue } from "./queue/tenant-queue.ts";
import type { TenantContext } from "./tenant.ts";
import type { Transaction } from "./tenant.store.ts";

// What an application is written on. Everything it may use of Cellplane is named in this file.
export { Type, type Static };
export type { JourneyStep } from "../../common/contracts/release.ts";
export type { AggregateDefinition, AggregateValues, Range } from "./aggregate.ts";
/** A plugin of Fastify in a file of its own; `server.register(plugin)` takes it, and its routes have types. */
export type { FastifyPluginAsyncTypebox as Plugin } from "@fastify/type-provider-typebox";
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
export type { AddOptions } from "./queue/outbox.store.ts";
export type { Priority } from "./queue/priorities.ts";
export type { Schedule, ScheduleOptions, TenantQueue } from "./queue/tenant-queue.ts";
export type { TenantContext } from "./tenant.ts";
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
    /**
     * The route needs nothing of its tenant (no `db`, `cache` or `queue`), so that any healthy cell of the tenant's region may answer it: `random`, or
     * `{ user }`, the name of the request's field by which one user keeps to one cell. A route that does need the tenant is still answered by its own.
     */
    stateless?: "random" | { readonly user: string };
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
  /** Aborted when the job's time of 5 s is over: for calls that would go on without it. */
  readonly signal: AbortSignal;
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

export interface RouteOptions<Settings> {
  readonly settings: Settings;
}

/** An application as it is declared; what it does not have may be left out. */
export interface CellAppDefinition<Settings extends TObject> {
  readonly name: string;
  /** Settings from the environment; their defaults become part of the release. */
  readonly settings?: Settings;
  readonly migrations: {
    /** The newest migration that the code needs; every later expand migration is accepted too. */
    readonly needs: number;
  };
  /** Ordinary Fastify routes; `request.tenant` is set, bodies and queries are checked strictly. */
  readonly routes: (server: Server, options: RouteOptions<Static<Settings>>) => Promise<void>;
  readonly jobs?: readonly JobDefinition<TSchema, Static<Settings>>[];
  readonly aggregates?: Readonly<Record<string, AggregateDefinition>>;
  /**
   * What a cell's synthetic tenant does, step by step, to find out whether a release serves: tried before a release goes live, and as load while a
   * rollout bakes. It should read and write once each, and keep no more with each round. In strings of path and body `{{uuid}}` and `{{now}}` stand
   * for a new UUID and the time. Without one only `GET /` is tried, for any answer below 500.
   */
  readonly journey?: readonly JourneyStep[];
}

/** An application with nothing left out. */
export type CellApp<Settings extends TObject = TObject> = CellAppDefinition<Settings> &
  Readonly<Required<Pick<CellAppDefinition<Settings>, "settings" | "jobs" | "aggregates">>>;

/** Names of applications and aggregates: they stand in names of releases, addresses and commands. */
const plainName = /^[a-z][a-z0-9-]{0,39}$/;

/**
 * Declares an application: routes, jobs and aggregates of one tenant at a time. Tenancy, fencing, queues, roll-ups and releases are the
 * kit's. Its folder holds this as the default export of `app.ts`, and `migrations/NNNN-name.<class>.sql`.
 * @throws TypeError for a name that is none, or one that stands for two things.
 */
export function defineCellApp<Settings extends TObject = TObject<Record<never, never>>>(
  app: CellAppDefinition<Settings>,
): CellApp<Settings> {
  const { jobs = [], aggregates = {}, settings = Type.Object({}) as unknown as Settings } = app;
  for (const name of [app.name, ...Object.keys(aggregates)])
    if (!plainName.test(name))
      throw new TypeError(`${JSON.stringify(name)} is no name: a letter, then at most 39 of a-z 0-9 -`);
  const names = jobs.map((job) => `${job.name}@${job.version}`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new TypeError(`the job ${twice} is defined twice`);
  return { ...app, settings, jobs, aggregates };
}

/** Declares a kind of job; see {@link JobDefinition}. */
export function defineJob<Payload extends TSchema, Settings>(
  job: JobDefinition<Payload, Settings>,
): JobDefinition<Payload, Settings> {
  return job;
}
