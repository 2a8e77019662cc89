/** A peer's part: the smallest Fastify process that answers something. */
import process from "node:process";
import Fastify from "fastify";

const server = Fastify();
server.get("/", () => ({ ok: true }));
await server.listen({ host: "127.0.0.1", port: Number(process.argv[2] ?? 0) });
