import Type, { type Static } from "typebox";
import { readConfig } from "../../common/config.ts";

/** The feeder's settings. */
export const FeederConfig = Type.Object({
  DEMO_FILE: Type.String({ description: "file with the demo's tenants and keys" }),
  ROUTER_PORT: Type.Integer({ description: "port of the router on 127.0.0.1" }),
  ADMIN_PORT: Type.Integer({ description: "port of the feeder's own health and figures" }),
  REQUESTS_PER_SECOND: Type.Number({
    default: 30,
    exclusiveMinimum: 0,
    maximum: 1000,
    description: "rate over all tenants",
  }),
  LOG_LEVEL: Type.String({ default: "info", description: "a pino level" }),
});
export type FeederConfig = Static<typeof FeederConfig>;

/** The feeder's settings, from the environment. */
export function feederConfig(): FeederConfig {
  return readConfig(FeederConfig, process.env);
}
