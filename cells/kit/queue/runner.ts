import { setTimeout as sleep } from "node:timers/promises";
import type { TSchema } from "typebox";
import type { Clock } from "../../../common/clock.ts";
import type { TenantId } from "../../../common/ids.ts";
import type { Logger } from "../../../common/log.ts";
import { sqlState, type Pool } from "../../../common/postgres/pool.ts";
import { isDatabaseAway, leaseStates } from "../database-errors.ts";
import type { JobDefinition } from "../kit.ts";
import type { TenantDatabase, Transaction } from "../tenant.store.ts";
import { fitsPayload } from "./outbox.store.ts";
import { releaseJobs, type ClaimedJob } from "./claim.store.ts";
import { Company } from "./company.ts";
import { causesOf, errorChain } from "./error-chain.ts";
import { tenantQueue } from "./tenant-queue.ts";
import { buryJob, retryJob, startJob, takeJob, type StartedJob } from "./tries.store.ts";
import { defaultMaxTries, mostCrashes, pauseBeforeRetryMs } from "./retries.ts";

export interface RunnerOptions<Settings> {
  readonly database: TenantDatabase;
  readonly system: Pool;
  readonly jobs: readonly JobDefinition<TSchema, Settings>[];
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Logger;
  /** Told of each job handed over, when it is off the worker's hands: what it took. */
  readonly onEnd?: (tenant: TenantId, elapsedMs: number) => void;
}

/** A job that the fence refused, or whose kind another release knows, waits this long and uses no try. */
const refusedPauseMs = 1_000;
/** A moment before the database itself ends the transaction, so that a job which hangs is seen as one, and not as a lost connection. */
const timeLimitMs = 4_900;
/** With the database away a job's end is written down when it is back; so long a worker keeps it in mind, then the next hand-over counts it as a crash. */
const awayPauseMs = 500;
const awayTries = 20;

/** A job that did not end in its time. */
class JobTimedOut extends Error {
  override readonly name = "JobTimedOut";
}
/** A try that ended without a word. */
class JobInterrupted extends Error {
  override readonly name = "JobInterrupted";
}

/**
 * Runs jobs, each in one transaction of its tenant at the lease's current epoch: taking the row, leaving the receipt and the job's effects commit
 * together or not at all, so that an effect happens once, whoever hands the job over how often. A try is counted before it begins, so that a job
 * which ends the process ends among the dead letters too.
 */
export class JobRunner<Settings> {
  readonly #options: RunnerOptions<Settings>;
  readonly #kinds: ReadonlyMap<string, JobDefinition<TSchema, Settings>>;
  readonly #company = new Company();

  constructor(options: RunnerOptions<Settings>) {
    this.#options = options;
    this.#kinds = new Map(options.jobs.map((job) => [`${job.name}@${job.version}`, job]));
  }

  /** `name@version` of every kind that can run here. */
  get kinds(): readonly string[] {
    return [...this.#kinds.keys()];
  }

  /** Runs a job to its end; never throws for the job's own failure. */
  async run(claimed: ClaimedJob): Promise<void> {
    let elapsedMs = 0;
    const timed = async (alone: boolean): Promise<"done" | "suspect"> => {
      const began = this.#options.clock.monotonic();
      try {
        return await this.#try(claimed, alone);
      } finally {
        elapsedMs += this.#options.clock.monotonic() - began;
      }
    };
    try {
      const outcome = await this.#company.join(false, () => timed(false));
      if (outcome === "suspect") await this.#company.join(true, () => timed(true));
    } catch (error) {
      // Its row stays in flight and is handed over again when it has been so for too long.
      this.#options.log.error({ event: "job-not-run", ...labelsOf(claimed), err: error });
    } finally {
      this.#options.onEnd?.(claimed.tenant_id, elapsedMs);
    }
  }

  async #try(claimed: ClaimedJob, alone: boolean): Promise<"done" | "suspect"> {
    const { system } = this.#options;
    const start = await startJob(system, claimed, alone);
    switch (start.kind) {
      case "suspect":
        return "suspect";
      case "gone":
        return "done";
      case "refused":
        await releaseJobs(system, [claimed], refusedPauseMs);
        return "done";
      case "started":
        await this.#runStarted(claimed, start.row);
        return "done";
      default:
        return start satisfies never;
    }
  }

  async #runStarted(claimed: ClaimedJob, row: StartedJob): Promise<void> {
    const { system, clock } = this.#options;
    const kind = this.#kinds.get(`${row.job}@${row.version}`);
    // A slot's queue may still hold what another release of the slot knew.
    if (kind === undefined) return await releaseJobs(system, [claimed], refusedPauseMs, true);
    const maxTries = kind.maxTries ?? defaultMaxTries;
    if (row.crashes >= mostCrashes || row.attempt > maxTries) {
      const why = `the worker's process ended in ${row.crashes === 1 ? "a try" : `${row.crashes} tries`} of this job, or could not write down how it went`;
      return await this.#bury(claimed, row.attempt - 1, new JobInterrupted(why));
    }
    const began = clock.monotonic();
    try {
      await this.#perform(claimed, row, kind);
    } catch (error) {
      const isLate = clock.monotonic() - began >= timeLimitMs && !(error instanceof JobTimedOut);
      const failure = isLate ? new JobTimedOut(`it took more than ${timeLimitMs} ms`, { cause: error }) : error;
      await this.#afterFailure(claimed, row, maxTries, failure);
    }
  }

  async #perform(claimed: ClaimedJob, row: StartedJob, kind: JobDefinition<TSchema, Settings>): Promise<void> {
    const { database, settings, clock } = this.#options;
    await database.run({ tenant: claimed.tenant_id, epoch: null }, "write", async (tx: Transaction) => {
      const taken = await takeJob(tx, claimed.id);
      if (taken === undefined) return;
      if (!fitsPayload(kind.payload, taken.payload)) throw new TypeError("the payload does not fit its schema");
      const limit = new AbortController();
      const context = {
        tx,
        queue: tenantQueue,
        settings,
        id: claimed.id,
        attempt: row.attempt,
        now: new Date(clock.now()),
        signal: limit.signal,
      };
      await withinTime(kind.run(taken.payload, context), limit);
    });
  }

  async #afterFailure(claimed: ClaimedJob, row: StartedJob, maxTries: number, error: unknown): Promise<void> {
    const { system, log } = this.#options;
    const labels = { ...labelsOf(claimed), kind: row.job, tries: row.attempt };
    // Frozen, moved, suspended, or another life of the database: the job waits and the try does not count.
    if (!(error instanceof JobTimedOut) && isRefusedByLease(error))
      return await this.#writeDown(claimed, () => releaseJobs(system, [claimed], refusedPauseMs, true));
    if (row.attempt >= maxTries) return await this.#bury(claimed, row.attempt, error);
    const pauseMs = pauseBeforeRetryMs(row.attempt, Math.random());
    await this.#writeDown(claimed, () => retryJob(system, claimed, errorChain(error), pauseMs));
    log.warn({ event: "job-failed", ...labels, err: error });
  }

  async #bury(claimed: ClaimedJob, tries: number, error: unknown): Promise<void> {
    const { system, log } = this.#options;
    await this.#writeDown(claimed, () => buryJob(system, claimed, tries, errorChain(error)));
    log.error({ event: "job-dead", ...labelsOf(claimed), tries, err: error });
  }

  /**
   * Writes down how a try ended. If the database is away, that is why the try failed: the job waits until it is back, and the try does not count. A lost
   * connection alone proves nothing, since a job can end its own.
   */
  async #writeDown(claimed: ClaimedJob, write: () => Promise<unknown>): Promise<void> {
    const { system, log } = this.#options;
    for (let attempt = 0; ; attempt++) {
      try {
        await (attempt === 0 ? write() : releaseJobs(system, [claimed], 0, true));
        return;
      } catch (error) {
        if (!isDatabaseAway(error) || attempt === awayTries) throw error;
        if (attempt === 0) log.debug({ event: "job-end-not-written", ...labelsOf(claimed), err: error });
        await sleep(awayPauseMs);
      }
    }
  }
}

/** @throws JobTimedOut when the work does not end in time; the work's signal is aborted, and its transaction closed to it. */
async function withinTime(work: Promise<void>, limit: AbortController): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const error = new JobTimedOut(`it took more than ${timeLimitMs} ms`);
      limit.abort(error);
      reject(error);
    }, timeLimitMs);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

const refusals = new Set<string>([
  leaseStates.notOwned,
  leaseStates.frozen,
  leaseStates.suspended,
  leaseStates.unconfirmed,
]);

/** A job may have wrapped what the fence said into an error of its own. */
function isRefusedByLease(error: unknown): boolean {
  return causesOf(error).some((cause) => refusals.has(sqlState(cause) ?? ""));
}

function labelsOf(claimed: ClaimedJob): { readonly tenant: TenantId; readonly job: string } {
  return { tenant: claimed.tenant_id, job: claimed.id };
}
