import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { locatePostgres, locateRedis } from "../../../cells/drivers/local/binaries.ts";
import { cellPaths } from "../../../cells/drivers/local/cell-layout.ts";
import { readCellSecrets } from "../../../cells/drivers/local/cell-secrets.ts";
import { databaseUser } from "../../../cells/drivers/local/database-user.ts";
import { LocalDriver, type LocalDriverOptions } from "../../../cells/drivers/local/driver.ts";
import { allocateBlock, cellPorts } from "../../../cells/drivers/local/ports.ts";
import { startSupervisor, type Supervisor } from "../../../cells/drivers/local/supervisor/client.ts";
import { systemClock } from "../../../common/clock.ts";
import type { CellId } from "../../../common/ids.ts";
import { connect, type Client } from "../../../common/postgres/pool.ts";
import { Crash, type Stage } from "../../conformance/stage.ts";
import type { StandInReleases } from "../../conformance/stand-in-releases.ts";

/** How long a drain waits at most here. */
export const drainMs = 4_000;

/** A local driver with a home, ports and a supervisor of its own. */
export interface LocalStage extends Stage {
  readonly home: string;
  readonly driver: LocalDriver;
  readonly supervisor: Supervisor;
  readonly block: number;
  another(): LocalDriver;
  dyingAt(n: number): LocalDriver;
}

export async function openStage(releases: StandInReleases): Promise<LocalStage> {
  const home = await mkdtemp(join(tmpdir(), "cellplane-driver-"));
  const block = await allocateBlock(home);
  const supervisor = await startSupervisor(home);
  const options: LocalDriverOptions = {
    home,
    clock: systemClock,
    supervisor: () => startSupervisor(home),
    programs: async () => {
      const redis = locateRedis();
      if (redis === null) throw new Error("no Redis on this machine");
      return { postgres: await locatePostgres(), redis, user: await databaseUser() };
    },
    ports: (cell) => cellPorts(block, Number(cell.split("-")[1]) - 1),
    releases,
    fleet: { url: "http://127.0.0.1:9", trustKeys: [] },
    token: async (cell) => `token-for-${cell}`,
    logLevel: "info",
    drainMs,
  };
  /** In the cell's own database, as the owner of its schema. */
  async function asOwner<Result>(cell: CellId, work: (client: Client) => Promise<Result>): Promise<Result> {
    const { owner } = (await readCellSecrets(cellPaths(home, cell).secrets)) ?? {};
    const { postgres } = options.ports(cell);
    const client = await connect(`postgres://cell_owner:${owner}@127.0.0.1:${postgres}/cell`, "conformance");
    try {
      await client.query("CREATE TABLE IF NOT EXISTS texts (at timestamptz DEFAULT clock_timestamp(), text text)");
      return await work(client);
    } finally {
      await client.end();
    }
  }
  return {
    home,
    driver: new LocalDriver(options),
    supervisor,
    block,
    another: () => new LocalDriver(options),
    dyingAt: (n) => new LocalDriver(dying(options, n)),
    data: {
      write: (cell, text) =>
        asOwner(cell, async (client) => void (await client.query("INSERT INTO texts (text) VALUES ($1)", [text]))),
      read: (cell) =>
        asOwner(cell, async (client) => {
          const { rows } = await client.query<{ text: string }>("SELECT text FROM texts ORDER BY at");
          return rows.map(({ text }) => text);
        }),
    },
    async close() {
      await (await startSupervisor(home)).shutdown();
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** The same driver, dead from its n-th word to supervisor, releases or cell on. */
function dying(options: LocalDriverOptions, n: number): LocalDriverOptions {
  let words = 0;
  const speak = (): void => {
    if (words++ >= n) throw new Crash("the driver's process died here");
  };
  const speaking = <Work extends (...args: never[]) => Promise<unknown>>(work: Work): Work =>
    (async (...args: Parameters<Work>) => {
      speak();
      return work(...args);
    }) as Work;
  return {
    ...options,
    supervisor: async () => {
      const supervisor = await options.supervisor();
      const methods = Object.entries(supervisor).map(([name, value]: [string, unknown]) => [
        name,
        typeof value === "function" ? speaking(value as (...args: never[]) => Promise<unknown>) : value,
      ]);
      return Object.fromEntries(methods) as Supervisor;
    },
    programs: speaking(options.programs),
    releases: {
      manifest: speaking((release) => options.releases.manifest(release)),
      read: speaking((digest) => options.releases.read(digest)),
    },
    token: speaking(options.token),
  };
}
