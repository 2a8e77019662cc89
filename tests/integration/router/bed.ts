import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "../../../common/canonical.ts";
import { systemClock } from "../../../common/clock.ts";
import type { TenantRow } from "../../../common/contracts/fleet.ts";
import type { TenantId } from "../../../common/ids.ts";
import { generateSigningKey } from "../../../common/keys.ts";
import { createLog } from "../../../common/log.ts";
import { signToken } from "../../../common/tokens.ts";
import { loadConfig } from "../../../router/config.ts";
import { startRouter, type RunningRouter } from "../../../router/router.ts";
import { ask, until, type Answer } from "./client.ts";
import { Feed } from "./feed.ts";
import { PlayedCell } from "./played-cell.ts";

export const ids = {
  acme: "01890000-0000-7000-8000-000000000001" as TenantId,
  globex: "01890000-0000-7000-8000-000000000002" as TenantId,
  frozen: "01890000-0000-7000-8000-000000000003" as TenantId,
};
export const keys = { acme: "cpk_acme-key-1", globex: "cpk_globex-key-1" };

/** A tenant's row; what a test does not care about is filled in. */
export function tenantRow(id: TenantId, slug: string, more: Partial<Record<keyof TenantRow, unknown>> = {}): object {
  const limits = { requestsPerSecond: 10_000, inFlight: 500, bodyBytes: 1_048_576 };
  return {
    id,
    slug,
    domains: [],
    tier: "free",
    cell: "cell-1",
    epoch: 1,
    state: "active",
    reason: null,
    moving: false,
    synthetic: false,
    limits,
    ...more,
  };
}

export function keyRow(key: string, tenant: TenantId, last = "1"): [string, object] {
  const digest = sha256(key);
  return [`key/${digest}`, { digest, id: `01890000-0000-7000-8000-0000000001${last.padStart(2, "0")}`, tenant }];
}

/** A router, two played cells and a feed, all real on the wire. */
export class Bed {
  readonly directory = mkdtempSync(join(tmpdir(), "cellplane-router-"));
  readonly routerKey = generateSigningKey();
  readonly operatorKey = generateSigningKey();
  readonly one = new PlayedCell("cell-1", this.routerKey);
  readonly two = new PlayedCell("cell-2", this.routerKey);
  readonly log = createLog("router", "silent");
  feed!: Feed;
  router!: RunningRouter;

  get port(): number {
    return this.router.port;
  }

  async start(settings: Record<string, string> = {}): Promise<this> {
    await this.one.start("a");
    await this.two.start("a");
    this.feed = new Feed(this.rows());
    await this.feed.start();
    await this.startRouter(settings);
    return this;
  }

  async startRouter(settings: Record<string, string> = {}): Promise<void> {
    await this.startRouterAlone(settings);
    await until(() => this.feed.listeners > 0, "the router listens to changes", 60_000);
  }

  /** The feed may be dead: what is on disk must do. */
  async startRouterAlone(settings: Record<string, string> = {}): Promise<void> {
    const config = loadConfig({ ...this.settings(), ...settings });
    this.router = await startRouter(config, this.routerKey, systemClock, this.log);
    await until(
      async () => (await ask(this.router.adminPort, { path: "/readyz" })).status === 200,
      "the router is ready",
      60_000,
    );
  }

  settings(): Record<string, string> {
    return {
      PORT: "0",
      ADMIN_PORT: "0",
      KEY_FILE: join(this.directory, "router.pem"),
      FLEET_URL: this.feed.url,
      FLEET_TRUST_KEYS: this.feed.key.spki,
      FLEET_DIRECTORY: join(this.directory, "fleet"),
    };
  }

  rows(): Record<string, unknown> {
    return {
      "settings/fleet": { baseDomain: "cellplane.localhost", application: "pulse" },
      "cell/cell-1": this.one.row(),
      "cell/cell-2": this.two.row(),
      "part/cell-1": this.one.partRow(),
      "part/cell-2": this.two.partRow(),
      "part/router-1": { id: "router-1", role: "router", keys: [this.routerKey.spki], url: null },
      "part/control-plane": { id: "control-plane", role: "control-plane", keys: [this.operatorKey.spki], url: null },
      [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme", { domains: ["events.acme.example"] }),
      [`tenant/${ids.globex}`]: tenantRow(ids.globex, "globex", { cell: "cell-2" }),
      ...Object.fromEntries([keyRow(keys.acme, ids.acme, "1"), keyRow(keys.globex, ids.globex, "2")]),
    };
  }

  /** Publishes rows and waits until the router has them. */
  async publish(changes: Record<string, unknown>): Promise<void> {
    this.feed.publish(changes);
    const { n } = this.feed.generation;
    await until(
      async () => ((await this.admin("/v1/status")).json["generation"] as { n: number }).n === n,
      "the router has the delta",
      60_000,
    );
  }

  /** A call of the admin API as the control plane makes it. */
  async admin(
    path: string,
    audience = "router-1",
    sent?: { readonly method: string; readonly body: object },
  ): Promise<Answer> {
    const now = Math.floor(Date.now() / 1000);
    const token = await signToken(
      "cp-command",
      { iss: "control-plane", aud: audience, iat: now, exp: now + 60 },
      this.operatorKey,
    );
    const authorization = `Bearer ${token}`;
    if (sent === undefined) return ask(this.router.adminPort, { path, headers: { authorization } });
    const headers = { authorization, "content-type": "application/json" };
    return ask(this.router.adminPort, { path, method: sent.method, headers, body: JSON.stringify(sent.body) });
  }

  /** Stops what still runs; a test may have stopped router or feed before. */
  async stop(): Promise<void> {
    await this.router.stop();
    await this.feed.stop();
    await this.one.stop();
    await this.two.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
