import { createHmac, randomBytes } from "node:crypto";
import type { DemoFile } from "../../common/contracts/home.ts";
import type { Logger } from "../../common/log.ts";
import { uuidv7 } from "../../common/uuid.ts";
import { asEvent, type Delivery } from "./deliveries.ts";
import type { TenantClient } from "./tenant-client.ts";

type DemoTenant = DemoFile["tenants"][number];

/** Requests that may be open at once; beyond it ticks are skipped, so that a slow fleet is not flooded. */
const maxOpen = 64;
/** One delivery of so many goes to the webhook's own address, signed as GitHub signs; one request of so many reads. */
const webhookEvery = 5;
const readEvery = 15;

export interface FeederFigures {
  readonly sent: number;
  readonly failed: number;
  readonly skipped: number;
  readonly lastFailure: string | null;
}

/** Sends each demo tenant its own stream of real events at a bounded rate, and counts what did not succeed. */
export class Feeder {
  readonly #tenants: readonly DemoTenant[];
  readonly #deliveries: readonly Delivery[];
  readonly #client: TenantClient;
  readonly #log: Logger;
  readonly #secrets = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;
  #turn = 0;
  #open = 0;
  #sent = 0;
  #failed = 0;
  #skipped = 0;
  #lastFailure: string | null = null;

  constructor(tenants: readonly DemoTenant[], deliveries: readonly Delivery[], client: TenantClient, log: Logger) {
    this.#tenants = tenants;
    this.#deliveries = deliveries;
    this.#client = client;
    this.#log = log;
  }

  get figures(): FeederFigures {
    return { sent: this.#sent, failed: this.#failed, skipped: this.#skipped, lastFailure: this.#lastFailure };
  }

  start(requestsPerSecond: number): void {
    this.#timer = setInterval(() => this.#tick(), 1000 / requestsPerSecond);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    if (this.#open >= maxOpen) {
      this.#skipped += 1;
      return;
    }
    const turn = this.#turn++;
    const tenant = this.#tenants[turn % this.#tenants.length];
    // Each tenant begins elsewhere in the payloads, so that each has a stream of its own.
    const stride = Math.floor(this.#deliveries.length / Math.max(1, this.#tenants.length));
    const place = (turn % this.#tenants.length) * stride + Math.floor(turn / this.#tenants.length);
    const delivery = this.#deliveries[place % this.#deliveries.length];
    if (tenant === undefined || delivery === undefined) return;
    this.#open += 1;
    void this.#deliver(tenant, delivery, turn).finally(() => {
      this.#open -= 1;
    });
  }

  async #deliver(tenant: DemoTenant, delivery: Delivery, turn: number): Promise<void> {
    this.#sent += 1;
    try {
      const answer = await this.#request(tenant, delivery, turn);
      if (answer.status < 200 || answer.status > 299)
        this.#fail(tenant, `${answer.status} ${answer.body.slice(0, 200)}`);
    } catch (error) {
      this.#fail(tenant, (error as Error).message);
    }
  }

  #request(tenant: DemoTenant, delivery: Delivery, turn: number) {
    const authorization = `Bearer ${tenant.key}`;
    if (turn % readEvery === readEvery - 1) {
      return this.#client.send(tenant.host, "GET", "/v1/stats", { authorization });
    }
    const secret = this.#secrets.get(tenant.slug);
    if (secret !== undefined && turn % webhookEvery === 0) {
      return this.#client.send(tenant.host, "POST", "/v1/hooks/github", githubHeaders(delivery, secret), delivery.body);
    }
    const body = JSON.stringify({ events: [asEvent(delivery, uuidv7(), new Date().toISOString())] });
    return this.#client.send(
      tenant.host,
      "POST",
      "/v1/events",
      { authorization, "content-type": "application/json" },
      body,
    );
  }

  #fail(tenant: DemoTenant, what: string): void {
    this.#failed += 1;
    this.#lastFailure = what;
    this.#log.warn({ event: "request-failed", tenant: tenant.slug, what });
  }

  /** Gives every tenant a webhook secret of its own; a tenant that cannot be reached now gets its events the other way. */
  async setSecrets(): Promise<void> {
    for (const tenant of this.#tenants) {
      const secret = randomBytes(24).toString("base64url");
      const headers = { authorization: `Bearer ${tenant.key}`, "content-type": "application/json" };
      try {
        const answer = await this.#client.send(
          tenant.host,
          "PUT",
          "/v1/hooks/github/secret",
          headers,
          JSON.stringify({ secret }),
        );
        if (answer.status >= 200 && answer.status <= 299) this.#secrets.set(tenant.slug, secret);
        else this.#log.warn({ event: "secret-refused", tenant: tenant.slug, status: answer.status });
      } catch (error) {
        this.#log.warn({ event: "secret-not-set", tenant: tenant.slug, err: error });
      }
    }
  }
}

/** The headers with which GitHub delivers a webhook. */
function githubHeaders(delivery: Delivery, secret: string): Record<string, string> {
  return {
    "content-type": "application/json",
    "user-agent": "GitHub-Hookshot/cellplane-demo",
    "x-github-event": delivery.event,
    "x-github-delivery": uuidv7(),
    "x-hub-signature-256": `sha256=${createHmac("sha256", secret).update(delivery.body).digest("hex")}`,
  };
}
