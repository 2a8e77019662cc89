/** The peer made of npm packages: @fastify/http-proxy with a Map. `node fastify-proxy.ts <folder of its packages> <port> <first cell's port>`. */
import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { cellOf, hostOf, tenantCount } from "./fleet.ts";

const [folder = "", port = "", firstCell = ""] = process.argv.slice(2);
const packages = createRequire(join(folder, "package.json"));
const fastify = packages("fastify") as (options: object) => FastifyInstance;
const proxy = packages("@fastify/http-proxy") as Parameters<FastifyInstance["register"]>[0];

const upstreams = new Map(
  Array.from({ length: tenantCount }, (_, tenant) => [
    hostOf(tenant),
    `http://127.0.0.1:${Number(firstCell) + cellOf(tenant)}`,
  ]),
);
const server = fastify({ logger: false });
await server.register(proxy, {
  upstream: "",
  undici: { connections: 128, pipelining: 1 },
  replyOptions: {
    getUpstream: (request: FastifyRequest) => upstreams.get(request.headers.host ?? ""),
    rewriteRequestHeaders: (request: FastifyRequest, headers: object) => ({ ...headers, host: request.headers.host }),
  },
});
await server.listen({ host: "127.0.0.1", port: Number(port) });
