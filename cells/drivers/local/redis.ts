import { chmod, chown, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ProcessSpec } from "../../../common/contracts/supervisor.ts";
import { memory } from "./bounds.ts";
import type { DatabaseUser } from "./database-user.ts";

export interface RedisServer {
  /** redis-server or valkey-server. */
  readonly program: string;
  readonly user: DatabaseUser | null;
  /** Where the append-only file lies; made when missing. */
  readonly directory: string;
}

/** Holds the password. */
export const redisConfiguration = (directory: string): string => join(directory, "redis.conf");

/**
 * Writes a Redis server's configuration. The password is in the file and not among the arguments, which every user of the
 * machine can read. Everything in Redis can be rebuilt from PostgreSQL, so a lost second (`everysec`) is no loss, and a full
 * memory refuses (`noeviction`) rather than forget jobs at random.
 */
export async function prepareRedis(server: RedisServer, password: string): Promise<void> {
  const lines = [
    "bind 127.0.0.1",
    "protected-mode yes",
    `requirepass ${password}`,
    "daemonize no",
    'logfile ""',
    "databases 1",
    "dir .",
    "appendonly yes",
    "appendfsync everysec",
    "auto-aof-rewrite-min-size 16mb",
    'save ""',
    `maxmemory ${memory.redisMb}mb`,
    "maxmemory-policy noeviction",
    "always-show-logo no",
  ];
  await mkdir(server.directory, { recursive: true, mode: 0o700 });
  const file = redisConfiguration(server.directory);
  await writeFile(file, `${lines.join("\n")}\n`, { mode: 0o600 });
  await chmod(server.directory, 0o700);
  if (server.user === null) return;
  await chown(file, server.user.uid, server.user.gid);
  await chown(server.directory, server.user.uid, server.user.gid);
}

/** The process that serves a Redis directory. */
export function redisProcess(
  server: RedisServer,
  place: { readonly name: string; readonly cell: ProcessSpec["cell"]; readonly port: number },
): ProcessSpec {
  return {
    name: place.name,
    role: "redis",
    cell: place.cell,
    release: null,
    command: server.program,
    // By the opened directory: Redis makes its configuration's path absolute, and may not enter the folders above.
    args: ["/proc/self/fd/3/redis.conf", "--port", String(place.port)],
    env: {},
    cwd: server.directory,
    user: server.user === null ? null : { uid: server.user.uid, gid: server.user.gid },
    directoryFd: true,
    // Redis writes it over its arguments and its environment; one machine has one Redis at a port.
    mark: `127.0.0.1:${place.port}`,
    staleFiles: [],
    port: place.port,
    url: null,
    health: { kind: "redis", port: place.port },
    stopSignal: "SIGTERM",
    graceMs: 10_000,
    after: [],
    desired: "running",
  };
}
