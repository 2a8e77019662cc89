import { setTimeout as sleep } from "node:timers/promises";
import { NativeConnection, Worker } from "@temporalio/worker";
import { temporalNames } from "../common/contracts/rollout.ts";
import type { Logger } from "../common/log.ts";
import type { createActivities } from "./activities/create.ts";

// The worker's side of Temporal.
//   connecting  Temporal is not there, or was lost        → running (connected and polling), stopped
//   running     polls the task queue                      → connecting (the poll broke for good), stopped
//   stopped     final
// Operations of the fleet wait in Temporal meanwhile; nothing of a tenant does.
export const workerStates = ["connecting", "running", "stopped"] as const;
export type WorkerState = (typeof workerStates)[number];

export interface TemporalWorkerOptions {
  readonly address: string;
  readonly identity: string;
  readonly activities: ReturnType<typeof createActivities>;
  /** Path of the workflow bundle; bundled before the first connection is needed. */
  readonly bundle: () => Promise<string>;
  readonly log: Logger;
}

const firstDelayMs = 200;
const lastDelayMs = 5_000;
/** Readiness is asked for every second or so; an answer that takes longer is none. */
const askTimeoutMs = 1_000;

/**
 * A policy may change 250 cells side by side, each in a step that mostly waits; beside them there is room for looks and records. A workflow that fell out of
 * the cache would be replayed from its beginning at each of its steps.
 */
const activitiesAtOnce = 300;
const cachedWorkflows = 400;

/** How long running activities may go on when the process is asked to stop; then they are taken up again elsewhere. */
const graceMs = 8_000;
/** An activity that does not end by then is left: it beats no more, so that Temporal gives it to the next worker. */
const forceMs = 11_000;

/** Connects to Temporal and works for it, for ever: whatever breaks is connected anew, with backoff, and never ends the process. */
export class TemporalWorker {
  readonly #options: TemporalWorkerOptions;
  readonly #stop = new AbortController();
  #state: WorkerState = "connecting";
  #worker: Worker | null = null;
  #connection: NativeConnection | null = null;
  #running: Promise<void> | null = null;

  constructor(options: TemporalWorkerOptions) {
    this.#options = options;
  }

  get state(): WorkerState {
    return this.#state;
  }

  /** Whether Temporal answers now; polling goes on by itself while it does not. */
  async isReachable(): Promise<boolean> {
    const connection = this.#connection;
    if (this.#state !== "running" || connection === null) return false;
    try {
      await connection.withDeadline(Date.now() + askTimeoutMs, () => connection.workflowService.getSystemInfo({}));
      return true;
    } catch (error) {
      this.#options.log.debug({ event: "temporal-not-answering", err: error });
      return false;
    }
  }

  start(): void {
    this.#running = this.#work();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    if (this.#worker?.getState() === "RUNNING") this.#worker.shutdown();
    await this.#running;
    this.#state = "stopped";
  }

  async #work(): Promise<void> {
    const { log } = this.#options;
    let delayMs = firstDelayMs;
    while (!this.#stop.signal.aborted) {
      const began = performance.now();
      try {
        await this.#session();
      } catch (error) {
        // Told once a minute at most: Temporal may be away for long.
        if (delayMs === firstDelayMs || delayMs === lastDelayMs)
          log.warn({ event: "temporal-unreachable", delayMs, err: error });
      }
      this.#state = "connecting";
      if (performance.now() - began > 60_000) delayMs = firstDelayMs;
      await sleep(delayMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      delayMs = Math.min(lastDelayMs, delayMs * 2);
    }
  }

  /** One connection's life. */
  async #session(): Promise<void> {
    const { address, identity, activities, log } = this.#options;
    const codePath = await this.#options.bundle();
    const connection = await NativeConnection.connect({ address });
    try {
      const worker = await Worker.create({
        connection,
        namespace: temporalNames.namespace,
        taskQueue: temporalNames.taskQueue,
        identity: `${identity}@${process.pid}`,
        workflowBundle: { codePath },
        activities,
        maxConcurrentActivityTaskExecutions: activitiesAtOnce,
        maxCachedWorkflows: cachedWorkflows,
        workflowThreadPoolSize: 1,
        shutdownGraceTime: graceMs,
        shutdownForceTime: forceMs,
      });
      if (this.#stop.signal.aborted) return;
      this.#worker = worker;
      this.#connection = connection;
      this.#state = "running";
      log.info({ event: "temporal-connected", address });
      await worker.run();
    } finally {
      this.#worker = null;
      this.#connection = null;
      await connection.close();
    }
  }
}
