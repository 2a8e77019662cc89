import { systemClock } from "../common/clock.ts";
import { Shutdown } from "../common/http/shutdown.ts";
import { ensureSigningKey } from "../common/keys.ts";
import { createLog } from "../common/log.ts";
import { loadConfig, printableConfig } from "./config.ts";
import { startRouter } from "./router.ts";

const config = loadConfig();
const log = createLog("router", config.LOG_LEVEL, { router: config.ROUTER_ID });
log.info({ event: "configured", config: printableConfig(config) });

const shutdown = new Shutdown(log, config.DRAIN_MS + config.STOP_MS + 5_000);
shutdown.listen();
const router = await startRouter(config, ensureSigningKey(config.KEY_FILE), systemClock, log);
shutdown.add("router", () => router.stop());
log.info({ event: "listening", port: router.port, tlsPort: router.tlsPort, adminPort: router.adminPort });
