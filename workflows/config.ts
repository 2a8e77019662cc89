import Type, { type Static } from "typebox";
import { readConfig, UrlSetting } from "../common/config.ts";

/** The workflow worker's settings. */
export const WorkerConfig = Type.Object({
  HOST: Type.String({ default: "127.0.0.1", description: "address of the admin API" }),
  ADMIN_PORT: Type.Integer({ minimum: 0, maximum: 65_535, description: "port of the admin API (health)" }),
  PART_ID: Type.String({ default: "worker", description: "this part's id in the fleet document" }),
  TEMPORAL_ADDRESS: Type.String({ default: "", description: "host:port of Temporal; empty where there is none" }),
  DATABASE_URL: UrlSetting({ description: "the registry, the control plane's PostgreSQL" }),
  KEY_FILE: Type.String({ minLength: 1, description: "this part's private key, PEM" }),
  HOME_DIRECTORY: Type.String({
    minLength: 1,
    description: "the fleet's home, where the cell driver and the workflow bundle live",
  }),
  FLEET_URL: Type.String({
    minLength: 1,
    description: "base URL of the control plane, for cells that the driver makes",
  }),
  FLEET_TRUST_KEYS: Type.String({
    minLength: 1,
    description: "publisher's public keys, comma-separated base64, for the same",
  }),
  ROUTER_URL: Type.String({ minLength: 1, description: "where tenants reach a router; synthetic load goes there" }),
  LOG_LEVEL: Type.String({ default: "info", description: "a pino level" }),
});
export type WorkerConfig = Static<typeof WorkerConfig>;

/** @throws ConfigError */
export function readWorkerConfig(): WorkerConfig {
  return readConfig(WorkerConfig, process.env);
}
