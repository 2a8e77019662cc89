import type { TSchema } from "typebox";
import Value from "typebox/value";
import type { Clock } from "../../../common/clock.ts";
import type { Logger } from "../../../common/log.ts";
import type { Pool } from "../../../common/postgres/pool.ts";
import { isRefusal } from "../database-errors.ts";
import type { JobDefinition } from "../kit.ts";
import { tenantQueue } from "../tenant.ts";
import type { TenantDatabase } from "../tenant.store.ts";
import { buryJob, releaseJobs, retryJob, takeJob, triesOf, type ClaimedJob } from "./outbox.store.ts";
import { defaultMaxTries, pauseBeforeRetryMs } from "./retries.ts";

export interface RunnerOptions<Settings> {
  readonly database: TenantDatabase;
  readonly system: Pool;
  readonly jobs: readonly JobDefinition<TSchema, Settings>[];
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A job that the fence refused, or whose kind another release knows, waits this long and uses no try. */
const refusedPauseMs = 1_000;
/** As much of an error as is kept with a job. */
const errorCharacters = 2_000;

/** A row that this release does not know; another one may. */
class UnknownKind extends Error {
  override readonly name = "UnknownKind";
}
/** A job whose kind is known and which failed; carries what decides about the next try. */
class JobFailed extends Error {
  override readonly name = "JobFailed";
  readonly maxTries: number;
  constructor(maxTries: number, cause: unknown) {
    super("the job failed", { cause });
    this.maxTries = maxTries;
  }
}

/**
 * Runs jobs, each in one transaction of its tenant at the lease's current epoch: taking the row, leaving the receipt and the job's effects commit
 * together or not at all, so that an effect happens once, whoever hands the job over how often.
 */
export class JobRunner<Settings> {
  readonly #options: RunnerOptions<Settings>;
  readonly #kinds: ReadonlyMap<string, JobDefinition<TSchema, Settings>>;

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
    try {
      await this.#options.database.run({ tenant: claimed.tenant_id, epoch: null }, "write", async (tx) => {
        const row = await takeJob(tx, claimed.id);
        if (row === undefined) return;
        const kind = this.#kinds.get(`${row.job}@${row.payload_version}`);
        if (kind === undefined) throw new UnknownKind(`${row.job}@${row.payload_version}`);
        const context = {
          tx,
          queue: tenantQueue,
          settings: this.#options.settings,
          id: claimed.id,
          attempt: row.tries + 1,
          now: new Date(this.#options.clock.now()),
        };
        try {
          if (!Value.Check(kind.payload, row.payload)) throw new TypeError("the payload does not fit its schema");
          await kind.run(row.payload, context);
        } catch (error) {
          throw isRefusal(error) ? error : new JobFailed(kind.maxTries ?? defaultMaxTries, error);
        }
      });
    } catch (error) {
      await this.#afterFailure(claimed, error);
    }
  }

  async #afterFailure(claimed: ClaimedJob, error: unknown): Promise<void> {
    const { system, log } = this.#options;
    const labels = { tenant: claimed.tenant_id, job: claimed.id };
    if (!(error instanceof JobFailed)) {
      if (!(error instanceof UnknownKind) && !isRefusal(error))
        log.error({ event: "job-not-run", ...labels, err: error });
      // With the database away the row stays in flight, and is handed over again when it has been so for too long.
      await releaseJobs(system, [claimed], refusedPauseMs).catch((releaseError: unknown) =>
        log.warn({ event: "job-not-released", ...labels, err: releaseError }),
      );
      return;
    }
    const tries = ((await triesOf(system, claimed)) ?? 0) + 1;
    const text = describe(error.cause).slice(0, errorCharacters);
    if (tries >= error.maxTries) {
      await buryJob(system, claimed, text);
      log.error({ event: "job-dead", ...labels, tries, err: error.cause });
      return;
    }
    await retryJob(system, claimed, text, pauseBeforeRetryMs(tries, Math.random()));
    log.warn({ event: "job-failed", ...labels, tries, err: error.cause });
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
