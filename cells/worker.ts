import type { Static, TObject, TSchema } from "typebox";
import { createWorkerServer } from "./admin/app.ts";
import { applicationSettings, workerConfig } from "./config.ts";
import type { CellApp, JobDefinition } from "./kit/kit.ts";
import { KeySweeper } from "./kit/idempotency/sweeper.ts";
import { JobCarrier } from "./kit/queue/bull.ts";
import { isSyntheticLease } from "./kit/lease.store.ts";
import { releaseJobs, type ClaimedJob } from "./kit/queue/claim.store.ts";
import { outboxChannel } from "./kit/queue/outbox.store.ts";
import { OutboxRelay } from "./kit/queue/relay.ts";
import { JobRunner } from "./kit/queue/runner.ts";
import { Scheduler } from "./kit/queue/scheduler.ts";
import { RollupShipper } from "./kit/rollups/shipper.ts";
import { SingleWorker } from "./kit/single-worker.ts";
import { workerPools } from "./limits.ts";
import { aggregatorUrl, startServing, statusOptions } from "./serving.ts";

/** Jobs that run at once in this process; below the pool's size, so that the scheduler finds a connection. */
const concurrency = 6;

/**
 * Jobs in flight: those that run, and as many behind them as keep the worker busy until the next claim. Each one more is one more that a quiet tenant's
 * job may have to wait for; less than half of them may be one tenant's (docs/decisions/0016).
 */
const windows = { tenant: concurrency + 2, cell: 3 * concurrency };

/** The queue worker of a cell: moves jobs from the outbox to the queue, runs them, fires schedules, ships rollups. */
export async function runWorker<Settings extends TObject>(app: CellApp<Settings>): Promise<void> {
  const config = workerConfig();
  const settings: Static<Settings> = applicationSettings(app.settings);
  const parts = startServing("worker", app as unknown as CellApp, config, workerPools);
  const { clock, log, shutdown, state, events, fleet, database, system } = parts;
  const labels = { cell: config.CELL_ID, slot: config.SLOT };

  const runner = new JobRunner<Static<Settings>>({
    database,
    system,
    jobs: app.jobs,
    settings,
    clock,
    log,
    onEnd: (tenant, elapsedMs) => relay.ended(tenant, elapsedMs),
  });
  // The relay hands over only what may run here; but a slot's queue may still hold jobs from before a switch, or of an earlier life of the slot.
  const may = async (job: ClaimedJob): Promise<boolean> =>
    state.confirmed &&
    (state.phase === "live" || (state.phase === "standby" && (await isSyntheticLease(system, job.tenant_id))));
  const run = async (job: ClaimedJob): Promise<void> => {
    await ((await may(job)) ? runner.run(job) : releaseJobs(system, [job], 0));
  };
  const versions = [...new Set(app.jobs.map((job) => job.version))];
  const application = `${labels.cell}-worker-${labels.slot}`;
  const carrier = new JobCarrier({
    redisUrl: config.REDIS_URL,
    application,
    slot: config.SLOT,
    versions,
    concurrency,
    run,
    log,
  });
  shutdown.add("queue", () => carrier.stop());
  const relay = new OutboxRelay({
    system,
    carrier,
    kinds: runner.kinds,
    windows,
    phase: () => state.phase,
    confirmed: () => state.confirmed,
    log,
  });
  shutdown.add("relay", () => relay.stop());
  const single = new SingleWorker(events, state, log);
  shutdown.add("single-worker", () => single.stop());
  const jobs = app.jobs as unknown as readonly JobDefinition<TSchema, never>[];
  const scheduler = new Scheduler({ system, database, jobs, isSingle: () => single.held, log });
  shutdown.add("scheduler", () => scheduler.stop());
  const sweeper = new KeySweeper({ system, database, isSingle: () => single.held, log });
  shutdown.add("key-sweeper", () => sweeper.stop());
  const shipper = new RollupShipper({
    cell: config.CELL_ID,
    key: parts.key,
    system,
    clock,
    aggregator: () => aggregatorUrl(fleet),
    isSingle: () => single.held,
    log,
  });
  shutdown.add("shipper", () => shipper.stop());

  events.on(outboxChannel, () => relay.wake());
  state.onPhase((phase) => {
    if (phase !== "live") return;
    relay.takeOver().catch((error: unknown) => log.warn({ event: "take-over-failed", err: error }));
  });

  const admin = createWorkerServer({
    commands: { cell: config.CELL_ID, trust: fleet.trust, clock, skew: parts.skews.commands },
    status: statusOptions(parts, () => ({ connections: 0, inFlight: 0 })),
    log,
  });
  await state.start();
  await parts.schema.start();
  events.start();
  carrier.start();
  relay.start();
  single.start();
  scheduler.start();
  sweeper.start();
  shipper.start();
  await admin.listen({ host: config.HOST, port: config.ADMIN_PORT });
  shutdown.add("admin-api", () => admin.close());
  log.info({ event: "listening", phase: state.phase, problems: state.problems() });
}
