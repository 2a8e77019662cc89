import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { TenantClient, type Answer } from "../../scripts/demo/tenant-client.ts";
import { uuidv7 } from "../../common/uuid.ts";
import { eventually, type DemoTenant } from "./fleet.ts";

export interface Outcome {
  readonly at: number;
  readonly slug: string;
  /** Null when no answer came. */
  readonly status: number | null;
  readonly detail: string;
}

/**
 * A client that keeps a ledger: every event has an id of its own, and what was acknowledged is remembered, so that at the end it can be
 * asked whether each acknowledged event is there exactly once. An event that was not acknowledged may be there or not.
 */
export class Ledger {
  readonly #client: TenantClient;
  readonly #tenants: readonly Pick<DemoTenant, "slug" | "host" | "key">[];
  readonly #acknowledged = new Map<string, number>();
  readonly #uncertain = new Map<string, number>();
  readonly outcomes: Outcome[] = [];
  /** The type of all its events, so that it finds its own among others'. */
  readonly type = `ledger.${uuidv7()}`;
  #stopped = false;
  #running: Promise<void>[] = [];

  constructor(port: number, tenants: readonly Pick<DemoTenant, "slug" | "host" | "key">[]) {
    this.#client = new TenantClient(port, 64);
    this.#tenants = tenants;
  }

  get sent(): number {
    return this.outcomes.length;
  }

  /** Answers that are no 2xx, and requests without an answer. */
  get failures(): readonly Outcome[] {
    return this.outcomes.filter(({ status }) => status === null || status < 200 || status > 299);
  }

  failuresOf(slugs: ReadonlySet<string>): readonly Outcome[] {
    return this.failures.filter(({ slug }) => slugs.has(slug));
  }

  /** Sends at this rate over all tenants, until `stop()`; at most 50 requests are open at once. */
  start(requestsPerSecond: number): void {
    this.#stopped = false;
    const lanes = Math.min(50, Math.max(1, Math.ceil(requestsPerSecond / 10)));
    for (let lane = 0; lane < lanes; lane++) this.#running.push(this.#lane(lane, (1000 * lanes) / requestsPerSecond));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running.splice(0));
  }

  close(): void {
    this.#client.close();
  }

  async #lane(lane: number, everyMs: number): Promise<void> {
    let next = performance.now() + (everyMs * lane) / 50;
    for (let turn = lane; !this.#stopped; turn++) {
      const pause = next - performance.now();
      if (pause > 0) await sleep(pause);
      next = Math.max(next + everyMs, performance.now() - everyMs);
      const tenant = this.#tenants[turn % this.#tenants.length];
      if (tenant !== undefined) await this.send(tenant);
    }
  }

  /** Sends one event of that tenant and notes what became of it. */
  async send(tenant: Pick<DemoTenant, "slug" | "host" | "key">): Promise<void> {
    const event = { id: uuidv7(), type: this.type, user: "ledger", at: new Date().toISOString(), value: 1 };
    const body = JSON.stringify({ events: [event] });
    const headers = { authorization: `Bearer ${tenant.key}`, "content-type": "application/json" };
    try {
      const answer = await this.#client.send(tenant.host, "POST", "/v1/events", headers, body);
      this.#note(
        tenant.slug,
        answer.status,
        answer.body.slice(0, 300),
        answer.status === 202 ? this.#acknowledged : this.#uncertain,
      );
    } catch (error) {
      this.#note(tenant.slug, null, (error as Error).message, this.#uncertain);
    }
  }

  #note(slug: string, status: number | null, detail: string, book: Map<string, number>): void {
    this.outcomes.push({ at: Date.now(), slug, status, detail });
    book.set(slug, (book.get(slug) ?? 0) + 1);
  }

  /** Asks Pulse for its count and checks that each acknowledged event is there once, and none twice. */
  async check(): Promise<void> {
    for (const tenant of this.#tenants) {
      const least = this.#acknowledged.get(tenant.slug) ?? 0;
      const most = least + (this.#uncertain.get(tenant.slug) ?? 0);
      const answer = await eventually(`${tenant.slug} answers`, 15_000, async () => {
        const got = await this.get(tenant, "/v1/stats");
        return got.status === 200 ? got : null;
      });
      const { topTypes } = JSON.parse(answer.body) as { topTypes: { type: string; count: number }[] };
      const count = topTypes.find(({ type }) => type === this.type)?.count ?? 0;
      assert.ok(count >= least, `${tenant.slug}: ${least} events were acknowledged, ${count} are there`);
      assert.ok(count <= most, `${tenant.slug}: ${most} events were sent, ${count} are there`);
    }
  }

  /** One read of a tenant. */
  get(tenant: Pick<DemoTenant, "host" | "key">, path: string): Promise<Answer> {
    return this.#client.send(tenant.host, "GET", path, { authorization: `Bearer ${tenant.key}` });
  }
}
