import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../common/clock.ts";
import { createLog } from "../../../common/log.ts";
import { loadConfig } from "../../../router/config.ts";
import { startRouter } from "../../../router/router.ts";
import { keyRow, tenantRow } from "../router/bed.ts";
import { ask, until } from "../router/client.ts";
import { Feed } from "../router/feed.ts";
import type { CellUnderTest, TestTenant } from "./cell-under-test.ts";

/** A router that knows one cell and one tenant. */
export interface RouterBeforeCell {
  readonly port: number;
  /** Fields with which the tenant's own requests come. */
  readonly headers: Readonly<Record<"host" | "authorization", string>>;
  stop(): Promise<void>;
}

/** Starts a real router before a cell under test; the processes in both slots must run already where both are to be known. */
export async function routerBefore(
  cell: CellUnderTest,
  tenant: TestTenant,
  options: {
    /** Where the cell's slots are; default: slot a, under both names. */
    readonly slots?: { readonly a: string; readonly b: string };
    readonly limits?: { readonly requestsPerSecond: number; readonly inFlight: number; readonly bodyBytes: number };
    readonly settings?: Readonly<Record<string, string>>;
  } = {},
): Promise<RouterBeforeCell> {
  const directory = mkdtempSync(join(tmpdir(), "cellplane-router-"));
  const key = `cpk_${tenant.slug}-key-of-a-test`;
  const slots = options.slots ?? { a: cell.url("a"), b: cell.url("a") };
  const slot = (url: string) => ({ url, adminUrl: "http://127.0.0.1:9", workerUrl: "http://127.0.0.1:9" });
  const [digestName, keyValue] = keyRow(key, tenant.id);
  const feed = new Feed({
    "settings/fleet": { baseDomain: "cellplane.localhost", application: "app" },
    "cell/cell-1": {
      id: "cell-1",
      region: "eu",
      cordoned: false,
      slots: { a: slot(slots.a), b: slot(slots.b) },
      liveSlot: "a",
      release: "app@1",
    },
    "part/cell-1": { id: "cell-1", role: "cell", keys: [cell.cellKey.spki], url: null },
    [`tenant/${tenant.id}`]: tenantRow(
      tenant.id,
      tenant.slug,
      options.limits === undefined ? {} : { limits: options.limits },
    ),
    [digestName]: keyValue,
  });
  await feed.start();
  const config = loadConfig({
    PORT: "0",
    ADMIN_PORT: "0",
    KEY_FILE: join(directory, "router.pem"),
    FLEET_URL: feed.url,
    FLEET_TRUST_KEYS: feed.key.spki,
    FLEET_DIRECTORY: directory,
    ...options.settings,
  });
  const router = await startRouter(config, cell.router, systemClock, createLog("router", "silent"));
  await until(async () => (await ask(router.adminPort, { path: "/readyz" })).status === 200, "the router is ready");
  return {
    port: router.port,
    headers: { host: `${tenant.slug}.cellplane.localhost`, authorization: `Bearer ${key}` },
    async stop() {
      await router.stop();
      await feed.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
