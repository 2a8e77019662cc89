import Type, { type Static } from "typebox";
import { readConfig, UrlSetting } from "../common/config.ts";

/** The aggregator's settings. */
export const AggregatorConfig = Type.Object({
  HOST: Type.String({ default: "127.0.0.1", description: "address to listen on" }),
  PORT: Type.Integer({ minimum: 0, maximum: 65_535, description: "port of the API" }),
  PART_ID: Type.String({ default: "aggregator", description: "this part's id in the fleet document" }),
  DATABASE_URL: UrlSetting({ description: "the aggregator's own PostgreSQL" }),
  KEY_FILE: Type.String({ minLength: 1, description: "this part's private key, PEM" }),
  FLEET_URL: Type.String({ minLength: 1, description: "base URL of the control plane" }),
  FLEET_TRUST_KEYS: Type.String({
    minLength: 1,
    description: "publisher's public keys to begin with, comma-separated base64",
  }),
  FLEET_DIRECTORY: Type.String({ minLength: 1, description: "folder of the fleet document on disk" }),
  RETENTION_DAYS: Type.Integer({
    minimum: 1,
    maximum: 3650,
    default: 90,
    description: "how long hourly rollups are kept",
  }),
  LOG_LEVEL: Type.String({ default: "info", description: "a pino level" }),
});
export type AggregatorConfig = Static<typeof AggregatorConfig>;

/** @throws ConfigError */
export function readAggregatorConfig(): AggregatorConfig {
  return readConfig(AggregatorConfig, process.env);
}
