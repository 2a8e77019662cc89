import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { DemoFile } from "../../common/contracts/home.ts";
import { Shutdown } from "../../common/http/shutdown.ts";
import { createLog } from "../../common/log.ts";
import { feederConfig } from "./config.ts";
import { loadDeliveries } from "./deliveries.ts";
import { Feeder } from "./feeder.ts";
import { TenantClient } from "./tenant-client.ts";

/** The demo's feeder: real events for every demo tenant, through the router; its figures at `/status`. */
const config = feederConfig();
const log = createLog("feeder", config.LOG_LEVEL);
const { tenants } = JSON.parse(readFileSync(config.DEMO_FILE, "utf8")) as DemoFile;
const client = new TenantClient(config.ROUTER_PORT);
const feeder = new Feeder(tenants, loadDeliveries(), client, log);
const shutdown = new Shutdown(log);

const admin = createServer((request, response) => {
  response.setHeader("content-type", "application/json");
  if (request.url === "/healthz" || request.url === "/readyz") response.end('{"ok":true}');
  else if (request.url === "/status") response.end(JSON.stringify(feeder.figures));
  else response.writeHead(404).end('{"code":"not-found"}');
});
admin.listen(config.ADMIN_PORT, "127.0.0.1");

shutdown.add("connections", () => client.close());
shutdown.add("admin", () => {
  admin.close();
  admin.closeAllConnections();
});
shutdown.add("feeder", () => feeder.stop());
shutdown.listen();

await feeder.setSecrets();
feeder.start(config.REQUESTS_PER_SECOND);
log.info({ event: "started", tenants: tenants.length, requestsPerSecond: config.REQUESTS_PER_SECOND });
