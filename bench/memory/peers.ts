import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { freePort } from "../../tests/support/ports.ts";
import { startPostgres } from "../../tests/support/postgres.ts";
import { startRedis } from "../../tests/support/redis.ts";

export const parts = ["postgres", "redis", "api", "worker"] as const;
export type Part = (typeof parts)[number];

export interface Running {
  readonly pids: Readonly<Record<Part, number>>;
  stop(): Promise<void>;
}

/**
 * What somebody would run who has no cells: PostgreSQL and Redis, set up as a cell's are, a bare Fastify process and a bare BullMQ worker. Both run on a
 * Node of their own, as a cell's do: the pages of one that half the machine shares would weigh nothing.
 */
export async function startPeers(folder: string): Promise<Running> {
  const node = join(folder, "node");
  await copyFile(process.execPath, node);
  const [postgres, redis] = await Promise.all([startPostgres({ durable: true }), startRedis()]);
  const start = (file: string, argument: string) => {
    const child = spawn(node, [join(import.meta.dirname, file), argument], { stdio: ["ignore", "inherit", "inherit"] });
    return { pid: child.pid ?? 0, gone: once(child, "exit"), end: () => child.kill("SIGTERM") };
  };
  const api = start("fastify.ts", String(await freePort()));
  const worker = start("worker.ts", redis.url);
  return {
    pids: { postgres: postgres.pid, redis: redis.pid, api: api.pid, worker: worker.pid },
    async stop() {
      for (const each of [api, worker]) each.end();
      await Promise.all([api.gone, worker.gone]);
      await Promise.all([postgres.stop(), redis.stop()]);
    },
  };
}
