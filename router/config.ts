import Type, { type Static } from "typebox";
import { readConfig, maskConfig, Secret } from "../common/config.ts";

/** The router's settings. */
export const RouterConfig = Type.Object({
  HOST: Type.String({ default: "127.0.0.1", description: "address to listen on" }),
  PORT: Type.Integer({ default: 8080, minimum: 0, maximum: 65_535, description: "port for tenants" }),
  SHARE_PORT: Type.Boolean({
    default: false,
    description:
      "whether other routers on this machine listen on the same ports (SO_REUSEPORT): one process for each core",
  }),
  TLS_DIRECTORY: Type.String({
    default: "",
    description:
      "folder of certificates for tenants' hosts, pairs `<name>.crt` and `<name>.key` (PEM); without it no TLS is spoken",
  }),
  TLS_PORT: Type.Integer({
    default: 8443,
    minimum: 0,
    maximum: 65_535,
    description: "port for tenants over TLS, where TLS_DIRECTORY is given",
  }),
  ADMIN_PORT: Type.Integer({
    default: 0,
    minimum: 0,
    maximum: 65_535,
    description: "port of the admin API; 0 takes a free one",
  }),
  ROUTER_ID: Type.String({
    default: "router-1",
    pattern: "^[a-z][a-z0-9-]{0,62}$",
    description: "this router's part id",
  }),
  KEY_FILE: Type.String({ minLength: 1, description: "file of this router's private key (PEM); made when missing" }),
  FLEET_URL: Type.String({ minLength: 1, description: "base URL of the control plane, for the fleet document" }),
  FLEET_TRUST_KEYS: Type.String({
    default: "",
    description: "the publisher's public keys to begin with, base64 SubjectPublicKeyInfo, comma-separated",
  }),
  FLEET_DIRECTORY: Type.String({ minLength: 1, description: "folder that keeps the fleet document" }),
  TRUSTED_PROXIES: Type.String({
    default: "",
    description: "addresses or CIDR ranges whose X-Forwarded-* are believed, comma-separated",
  }),
  TABLE_STALE_SECONDS: Type.Number({
    default: 60,
    minimum: 0,
    description: "older than this, an unknown host or key is 503 instead of 404 or 401",
  }),
  CELL_IN_FLIGHT: Type.Integer({ default: 1_000, minimum: 1, description: "most requests at once to one cell" }),
  CONNECT_TIMEOUT_MS: Type.Integer({
    default: 1_000,
    minimum: 1,
    description: "longest wait for a connection to a cell",
  }),
  FIRST_BYTE_TIMEOUT_MS: Type.Integer({
    default: 10_000,
    minimum: 1,
    description: "longest wait for the head of a cell's answer",
  }),
  ANSWER_IDLE_TIMEOUT_MS: Type.Integer({
    default: 60_000,
    minimum: 1,
    description:
      "longest pause within an answer, of the cell or of a client that does not read; not for event streams and WebSockets",
  }),
  HEAD_TIMEOUT_MS: Type.Integer({
    default: 10_000,
    minimum: 1,
    description: "a request's head must be there within this time",
  }),
  REQUEST_TIMEOUT_MS: Type.Integer({
    default: 30_000,
    minimum: 1,
    description: "a whole request must be there within this time",
  }),
  PARK_MS: Type.Integer({
    default: 5_000,
    minimum: 0,
    description: "longest time that a request of a frozen tenant is held",
  }),
  MAX_CONNECTIONS: Type.Integer({ default: 10_000, minimum: 1, description: "most client connections at once" }),
  DRAIN_MS: Type.Integer({
    default: 2_000,
    minimum: 0,
    description: "when stopping with connections open, new ones are taken this long, so that a balancer notices first",
  }),
  STOP_MS: Type.Integer({
    default: 10_000,
    minimum: 0,
    description: "when stopping, requests in flight have this long to finish",
  }),
  ACCESS_LOG_EVERY: Type.Integer({
    default: 0,
    minimum: 0,
    description: "log one answer in so many; 0 logs errors alone",
  }),
  TRACE_EVERY: Type.Integer({
    default: 0,
    minimum: 0,
    description:
      "of the traces that begin here one in so many is sampled; 0 for none. Spans need an OpenTelemetry SDK in the process",
  }),
  TOP_TENANTS: Type.Integer({
    default: 0,
    minimum: 0,
    maximum: 100,
    description: "so many tenants with most requests stand in the metrics by name; 0 for none",
  }),
  ENVOY_EXPORT: Type.Boolean({
    default: false,
    description: "give clusters and routes to Envoy at the admin API, without a token",
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.String({
    default: "",
    description: "base URL of an OpenTelemetry collector (OTLP over HTTP) that metrics are pushed to; none when empty",
  }),
  OTEL_EXPORTER_OTLP_HEADERS: Secret({
    default: "",
    description: "headers sent to the collector, `name=value`, comma-separated",
  }),
  OTEL_METRIC_EXPORT_INTERVAL: Type.Integer({
    default: 60_000,
    minimum: 100,
    description: "milliseconds between pushes of metrics",
  }),
  LOG_LEVEL: Type.String({ default: "info", description: "a pino level" }),
});
export type RouterConfig = Static<typeof RouterConfig>;

/** Reads the router's settings. @throws ConfigError */
export function loadConfig(environment: Readonly<Record<string, string | undefined>> = process.env): RouterConfig {
  return readConfig(RouterConfig, environment);
}

/** The settings as they may be printed. */
export function printableConfig(config: RouterConfig): Record<string, unknown> {
  return maskConfig(RouterConfig, config);
}

/** `a, b` → `["a", "b"]`; empty parts are left out. */
export function listOf(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
