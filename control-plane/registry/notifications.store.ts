import { setTimeout as sleep } from "node:timers/promises";
import { connect, type Client, type Queryable } from "../../common/postgres/pool.ts";
import type { ChangeEvent } from "../../common/contracts/control-plane.ts";
import type { Logger } from "../../common/log.ts";

/**
 * What one process tells all others when a transaction has committed (LISTEN/NOTIFY). A hint, never the truth: whoever listens
 * looks into the tables, also now and then without a hint.
 *   fleet    a delta waits for its signature
 *   leases   a tenant's lease is behind what is wanted
 *   rollouts a rollout waits for its workflow, or the line was stopped or released
 *   webhooks a message waits to be delivered
 *   event    something that the dashboard shows has changed
 */
export const topics = ["fleet", "leases", "rollouts", "webhooks", "event"] as const;
export type Topic = (typeof topics)[number];
export interface Notification {
  readonly topic: Topic;
  readonly event?: ChangeEvent;
}

const channel = "cellplane";
const reconnectMs = 500;

/** Tells everybody, when the transaction commits. */
export async function notify(tx: Queryable, notification: Notification): Promise<void> {
  await tx.query("SELECT pg_notify($1, $2)", [channel, JSON.stringify(notification)]);
}

// A listener.
//   listening  its connection is there                       → lost (connection ended)
//   lost       tries again every half second                 → listening, and calls everybody: something may have been missed
export class Notifications {
  readonly #url: string;
  readonly #log: Logger;
  readonly #handlers = new Map<Topic, Set<(event?: ChangeEvent) => void>>();
  readonly #stop = new AbortController();
  #client: Client | null = null;
  #running: Promise<void> | null = null;

  constructor(url: string, log: Logger) {
    this.#url = url;
    this.#log = log;
  }

  on(topic: Topic, handler: (event?: ChangeEvent) => void): () => void {
    const handlers = this.#handlers.get(topic) ?? new Set();
    this.#handlers.set(topic, handlers);
    handlers.add(handler);
    return () => handlers.delete(handler);
  }

  /** Begins to listen, and listens again whenever the connection was lost. */
  start(): void {
    this.#running = this.#listen();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#client?.end().catch(() => undefined);
    await this.#running;
  }

  async #listen(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#session();
      } catch (error) {
        if (!this.#stop.signal.aborted) this.#log.warn({ event: "notifications-lost", err: error });
      }
      await sleep(reconnectMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  async #session(): Promise<void> {
    const client = await connect(this.#url, "control-plane-listener");
    this.#client = client;
    const ended = new Promise<void>((resolve, reject) => {
      // Every error of the connection, not only the first: one that nobody hears ends the process.
      client.on("error", reject);
      client.once("end", resolve);
    });
    ended.catch(() => undefined);
    client.on("notification", ({ payload }) => this.#take(payload));
    try {
      await client.query(`LISTEN ${channel}`);
      for (const topic of topics) if (topic !== "event") this.#call(topic);
      await ended;
    } finally {
      this.#client = null;
      await client.end().catch(() => undefined);
    }
  }

  #take(payload: string | undefined): void {
    const { topic, event } = JSON.parse(payload ?? "{}") as Partial<Notification>;
    if (topic !== undefined) this.#call(topic, event);
  }

  #call(topic: Topic, event?: ChangeEvent): void {
    for (const handler of this.#handlers.get(topic) ?? []) handler(event);
  }
}
