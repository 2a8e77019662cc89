import { fileURLToPath } from "node:url";
import Type, { type Static } from "typebox";
import { readConfig, UrlSetting } from "../common/config.ts";
import { patterns } from "../common/ids.ts";

/** The control plane's settings. */
export const ConfigSchema = Type.Object({
  HOST: Type.String({ default: "127.0.0.1", description: "address to listen on" }),
  PORT: Type.Integer({ default: 8081, minimum: 0, maximum: 65_535, description: "port of the API and the dashboard" }),
  PART_ID: Type.String({ default: "control-plane", pattern: patterns.part, description: "this part's id" }),
  DATABASE_URL: UrlSetting({ description: "PostgreSQL of the registry" }),
  HOME_DIRECTORY: Type.String({ minLength: 1, description: "folder of the fleet; releases are kept below it" }),
  KEY_FILE: Type.String({ minLength: 1, description: "private key of the control plane (PEM)" }),
  PUBLISHER_KEY_FILE: Type.String({ minLength: 1, description: "private key that signs the fleet document (PEM)" }),
  OPERATOR_TOKEN_DIGEST: Type.String({
    default: "",
    pattern: "^([0-9a-f]{64})?$",
    description: "SHA-256 of the first admin's token",
  }),
  BASE_DOMAIN: Type.String({
    default: "cellplane.localhost",
    minLength: 1,
    description: "tenants' hosts are <slug>.<base domain>",
  }),
  APPLICATION: Type.String({
    default: "pulse",
    pattern: patterns.application,
    description: "application that the cells run",
  }),
  TEMPORAL_ADDRESS: Type.String({ default: "", description: "host:port of Temporal; empty where there is none" }),
  TEMPORAL_MISSING: Type.String({
    default: "",
    description: "why there is no Temporal, and how to get it; told with every refusal",
  }),
  FLEET_NAME: Type.String({
    default: "cellplane",
    pattern: patterns.part,
    description: "tells this fleet's DNS records from others'",
  }),
  ROUTE53_ZONE_ID: Type.String({
    default: "",
    description: "hosted zone of the base domain; empty: DNS is planned, never applied",
  }),
  ROUTE53_ENDPOINT: Type.String({
    default: "",
    description: "another address of Route 53, e.g. a simulator's; credentials come from the AWS environment",
  }),
  DNS_ROUTERS: Type.String({
    default: "",
    pattern: "^([a-z][a-z0-9-]*=[0-9a-f.:,]+(;[a-z][a-z0-9-]*=[0-9a-f.:,]+)*)?$",
    description:
      "routers' public addresses by region, `eu=203.0.113.10,203.0.113.11;us=203.0.113.20`; empty: as registered",
  }),
  DNS_HEALTH_PORT: Type.Integer({
    default: 443,
    minimum: 1,
    maximum: 65_535,
    description: "port at which routers are asked for their health by DNS",
  }),
  DNS_HEALTH_PATH: Type.String({ default: "/readyz", description: "path at which they are asked" }),
  DASHBOARD_DIRECTORY: Type.String({
    default: fileURLToPath(new URL("../dashboard/dist", import.meta.url)),
    description: "folder of the built dashboard",
  }),
  CELL_LOOPBACK: Type.Optional(
    Type.Boolean({ description: "cells may be on this machine; unless told, where HOST is a loopback address" }),
  ),
  LOG_LEVEL: Type.String({ default: "info", description: "pino level" }),
});
export type Config = Static<typeof ConfigSchema>;

/** @throws ConfigError */
export function loadConfig(environment: Readonly<Record<string, string | undefined>> = process.env): Config {
  return readConfig(ConfigSchema, environment);
}
