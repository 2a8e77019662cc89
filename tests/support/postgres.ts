import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { locatePostgres } from "../../cells/drivers/local/binaries.ts";
import { databaseUser } from "../../cells/drivers/local/database-user.ts";
import { postgresProcess, preparePostgres } from "../../cells/drivers/local/postgres.ts";
import { databaseStatements } from "../../cells/drivers/local/postgres.store.ts";
import { connect } from "../../common/postgres/pool.ts";
import { freePort } from "./ports.ts";
import { runServer } from "./server-process.ts";

const password = "throw-away-password";
/** The roles of a cell's database, as the local driver makes them. */
const roles = ["cell_owner", "cell_app", "cell_system"] as const;

/** A database of its own for one test. */
export interface FreshDatabase {
  readonly name: string;
  /** As the superuser. */
  readonly url: string;
  /** As the role that owns the database's tables and runs migrations. */
  readonly ownerUrl: string;
  /** As the unprivileged role under which tenants' statements run. */
  readonly appUrl: string;
  /** As the cell kit's own role. */
  readonly systemUrl: string;
}

export interface TestPostgres {
  readonly port: number;
  readonly pid: number;
  readonly directory: string;
  /** The database `postgres`, as the superuser. */
  readonly url: string;
  freshDatabase(): Promise<FreshDatabase>;
  stop(): Promise<void>;
}

/**
 * A real PostgreSQL for one test file: prepared as a cell's is, and gone after `stop()`. It does not sync to disk, since no test file outlives
 * a power cut; `durable` is for benchmarks, where it is just like a cell's.
 */
export async function startPostgres(options: { readonly durable?: boolean } = {}): Promise<TestPostgres> {
  const folder = await mkdtemp(join(tmpdir(), "cellplane-postgres-"));
  const server = { binaries: await locatePostgres(), user: await databaseUser(), directory: join(folder, "data") };
  await preparePostgres(server, {
    superuserPassword: password,
    roles: roles.map((name) => ({ name, password, confined: name === "cell_app" })),
    databases: [],
  });
  const port = await freePort();
  const spec = postgresProcess(server, { name: "test-postgres", cell: null, port });
  const args = options.durable === true ? spec.args : [...spec.args, "-c", "fsync=off"];
  const running = await runServer({ ...spec, args }, join(folder, "log"));
  const urlOf = (role: string, database: string): string =>
    `postgres://${role}:${password}@127.0.0.1:${port}/${database}`;
  const url = urlOf("postgres", "postgres");
  let count = 0;
  return {
    port,
    pid: running.pid,
    directory: server.directory,
    url,
    async freshDatabase() {
      const name = `test_${++count}`;
      const client = await connect(url, "tests");
      try {
        for (const statement of databaseStatements({
          name,
          owner: "cell_owner",
          guests: ["cell_app", "cell_system"],
        })) {
          await client.query(statement);
        }
      } finally {
        await client.end();
      }
      return {
        name,
        url: urlOf("postgres", name),
        ownerUrl: urlOf("cell_owner", name),
        appUrl: urlOf("cell_app", name),
        systemUrl: urlOf("cell_system", name),
      };
    },
    async stop() {
      await running.stop("SIGINT");
      await rm(folder, { recursive: true, force: true });
    },
  };
}
