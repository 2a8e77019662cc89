import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { locatePostgres } from "../../../cells/drivers/local/binaries.ts";
import { databaseUser } from "../../../cells/drivers/local/database-user.ts";
import { postgresProcess } from "../../../cells/drivers/local/postgres.ts";
import type { ProcessSpec } from "../../../common/contracts/supervisor.ts";
import type { TestPostgres } from "../../support/postgres.ts";
import type { TestRedis } from "../../support/redis.ts";
import { runServer, type RunningServer } from "../../support/server-process.ts";

/** The servers of a cell under test that were killed and started again, at their old ports. */
export class ServersAgain {
  readonly #folder: string;
  readonly #started: RunningServer[] = [];
  readonly #latest = new Map<"postgres" | "redis", RunningServer>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The one that runs now, undefined while it is the first one. */
  of(server: "postgres" | "redis"): RunningServer | undefined {
    return this.#latest.get(server);
  }

  /** Empty, as after the loss of its disk. */
  async restartRedis({ port, url }: TestRedis): Promise<void> {
    const folder = join(this.#folder, "redis");
    await mkdir(folder, { recursive: true });
    const password = decodeURIComponent(new URL(url).password);
    const args = ["--port", String(port), "--requirepass", password, "--save", "", "--dir", folder];
    const spec = {
      ...bareProcess,
      name: "test-redis-again",
      command: "/usr/bin/redis-server",
      args,
      cwd: folder,
      health: { kind: "tcp", port },
    } as const;
    this.#keep("redis", await runServer(spec, join(folder, "log")));
  }

  /** On its own data, as the supervisor does. */
  async restartPostgres({ directory, port }: TestPostgres): Promise<void> {
    const server = { binaries: await locatePostgres(), user: await databaseUser(), directory };
    await rm(join(directory, "postmaster.pid"), { force: true });
    const spec = postgresProcess(server, { name: "test-postgres-again", cell: null, port });
    this.#keep("postgres", await runServer(spec, join(this.#folder, "postgres-again.log")));
  }

  async stop(): Promise<void> {
    for (const server of this.#started) await server.stop();
  }

  #keep(name: "postgres" | "redis", server: RunningServer): void {
    this.#started.push(server);
    this.#latest.set(name, server);
  }
}

const bareProcess: Pick<ProcessSpec, Exclude<keyof ProcessSpec, "name" | "command" | "args" | "cwd" | "health">> = {
  role: "redis",
  cell: null,
  release: null,
  env: {},
  user: null,
  directoryFd: false,
  mark: null,
  staleFiles: [],
  port: null,
  url: null,
  stopSignal: "SIGTERM",
  graceMs: 5_000,
  after: [],
  desired: "running",
};
