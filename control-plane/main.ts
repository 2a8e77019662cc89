import { maskConfig } from "../common/config.ts";
import { Shutdown } from "../common/http/shutdown.ts";
import { createLog } from "../common/log.ts";
import { ConfigSchema, loadConfig } from "./config.ts";
import { startPlane } from "./plane.ts";

const config = loadConfig();
const log = createLog(config.PART_ID, config.LOG_LEVEL);
log.info({ event: "starting", config: maskConfig(ConfigSchema, config) });
const shutdown = new Shutdown(log);
shutdown.listen();
const { url } = await startPlane(config, log, shutdown);
log.info({ event: "listening", url });
