import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { locateRedis } from "../../cells/drivers/local/binaries.ts";
import { databaseUser } from "../../cells/drivers/local/database-user.ts";
import { prepareRedis, redisProcess } from "../../cells/drivers/local/redis.ts";
import { freePort } from "./ports.ts";
import { runServer } from "./server-process.ts";

const password = "throw-away-password";

export interface TestRedis {
  readonly port: number;
  readonly pid: number;
  readonly url: string;
  stop(): Promise<void>;
}

/** A real Redis for one test file, prepared as a cell's is, and gone after `stop()`. */
export async function startRedis(): Promise<TestRedis> {
  const program = locateRedis();
  if (program === null) throw new Error("neither redis-server nor valkey-server is installed");
  const folder = await mkdtemp(join(tmpdir(), "cellplane-redis-"));
  const server = { program, user: await databaseUser(), directory: join(folder, "data") };
  await prepareRedis(server, password);
  const port = await freePort();
  const running = await runServer(redisProcess(server, { name: "test-redis", cell: null, port }), join(folder, "log"));
  return {
    port,
    pid: running.pid,
    url: `redis://:${password}@127.0.0.1:${port}`,
    async stop() {
      await running.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
