import { Queue, Worker } from "bullmq";
import type { Logger } from "../../../common/log.ts";
import { createRedis, type Redis } from "../../../common/redis/client.ts";
import type { ClaimedJob } from "./claim.store.ts";

// BullMQ only carries ids from the relay to the consumers: payloads, tries, windows and dead letters live in PostgreSQL, so that Redis
// may lose everything. Each slot has its own queues, one per payload version, so that no worker ever sees a version it does not know.

export interface CarrierOptions {
  readonly redisUrl: string;
  readonly application: string;
  /** Part of the queues' names: the slot. */
  readonly slot: string;
  readonly versions: readonly number[];
  readonly concurrency: number;
  readonly run: (job: ClaimedJob) => Promise<void>;
  readonly log: Logger;
}

const prefix = "cellplane";
/** A job's lock in Redis; a worker that dies in a job loses it after this time, and the job runs again. */
const lockMs = 10_000;
const stalledCheckMs = 5_000;
/** A carried job may be found stalled this often before BullMQ drops it; the outbox would hand it over again. */
const stalledTimes = 5;

/** Hands claimed jobs to BullMQ and runs what comes out. */
export class JobCarrier {
  readonly #options: CarrierOptions;
  readonly #redis: Redis;
  readonly #queues: readonly Queue[];
  readonly #workers: readonly Worker[];

  constructor(options: CarrierOptions) {
    this.#options = options;
    this.#redis = createRedis({
      url: options.redisUrl,
      application: options.application,
      use: "queue",
      log: options.log,
    });
    const removal = { removeOnComplete: { count: 0 }, removeOnFail: { count: 0 } } as const;
    this.#queues = options.versions.map(
      (version) => new Queue(this.#name(version), { connection: this.#redis, prefix, skipWaitingForReady: true }),
    );
    this.#workers = options.versions.map(
      (version) =>
        new Worker<ClaimedJob>(this.#name(version), async (job) => options.run(job.data), {
          connection: this.#redis,
          prefix,
          autorun: false,
          concurrency: options.concurrency,
          lockDuration: lockMs,
          stalledInterval: stalledCheckMs,
          maxStalledCount: stalledTimes,
          ...removal,
        }),
    );
    // Lost connections are told by the connection itself.
    const tell = (error: Error): void => options.log.debug({ event: "queue-error", err: error });
    for (const queue of this.#queues) queue.on("error", tell);
    for (const worker of this.#workers) worker.on("error", tell);
  }

  #name(version: number): string {
    return `jobs-${this.#options.slot}-v${version}`;
  }

  /** Begins to consume. Returns at once; a Redis that is away is waited for. */
  start(): void {
    for (const worker of this.#workers) {
      worker.run().catch((error: unknown) => this.#options.log.error({ event: "consumer-ended", err: error }));
    }
  }

  /** Whether Redis answers, as far as is known; nothing is claimed while it does not. */
  get isReady(): boolean {
    return this.#redis.status === "ready";
  }

  /**
   * Whether Redis has forgotten what it was given (FLUSHALL, a lost disk), or was never given anything: then all that is in flight is to be handed
   * over again. True once for each time.
   */
  async wasEmptied(): Promise<boolean> {
    return (await this.#redis.set(`${prefix}:jobs-${this.#options.slot}:kept`, "1", "NX")) === "OK";
  }

  /**
   * Hands jobs over. A job that BullMQ still has is not added again.
   * @throws when Redis is away or refuses, e.g. because it is full.
   */
  async add(version: number, jobs: readonly ClaimedJob[]): Promise<void> {
    if (!this.isReady) throw new Error("Redis is away");
    const queue = this.#queues[this.#options.versions.indexOf(version)];
    if (queue === undefined) throw new TypeError(`no queue of version ${version}`);
    await queue.addBulk(
      jobs.map((job) => ({
        name: "job",
        data: { tenant_id: job.tenant_id, id: job.id },
        opts: { jobId: job.id, removeOnComplete: true, removeOnFail: true },
      })),
    );
  }

  /** Takes no more jobs, finishes what runs, lets go of Redis. */
  async stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
    await Promise.all(this.#queues.map((queue) => queue.close()));
    this.#redis.disconnect();
  }
}
