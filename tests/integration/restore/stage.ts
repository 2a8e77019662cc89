import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import process from "node:process";
import { join, resolve } from "node:path";
import { bundleRelease, type BundledRelease } from "../../../cells/drivers/bundle/bundle.ts";
import type { ReleaseRef } from "../../../cells/drivers/driver.ts";
import { findCellDatabase, type CellDatabase } from "../../../cells/drivers/local/backup/cell-database.ts";
import { locatePostgres, locateRedis } from "../../../cells/drivers/local/binaries.ts";
import { databaseUser } from "../../../cells/drivers/local/database-user.ts";
import { LocalDriver } from "../../../cells/drivers/local/driver.ts";
import { allocateBlock, cellPorts } from "../../../cells/drivers/local/ports.ts";
import { startSupervisor, type Supervisor } from "../../../cells/drivers/local/supervisor/client.ts";
import { systemClock } from "../../../common/clock.ts";
import { commandTokens } from "../../../common/command-tokens.ts";
import type { Lease } from "../../../common/contracts/cell-admin.ts";
import { cellId, type CellId } from "../../../common/ids.ts";
import { generateSigningKey, loadSigningKey } from "../../../common/keys.ts";
import { connect } from "../../../common/postgres/pool.ts";
import { signToken } from "../../../common/tokens.ts";
import { send, until, type Answer } from "../cells/http-call.ts";
import { startTestPlane, type TestPlane } from "../control-plane/support.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";

const application = resolve(import.meta.dirname, "../cells/application");

export const [cellOne, cellTwo] = [cellId("cell-1"), cellId("cell-2")];

/** A control plane and cells of the local driver, all real; the test is the router. */
export class RestoreStage {
  readonly home: string;
  readonly plane: TestPlane;
  readonly driver: LocalDriver;
  readonly supervisor: Supervisor;
  readonly release: ReleaseRef;
  readonly block: number;
  readonly router = generateSigningKey();
  readonly #postgres: TestPostgres;
  readonly #bundle: string;

  private constructor(
    made: Pick<RestoreStage, "home" | "plane" | "driver" | "supervisor" | "release" | "block"> & {
      postgres: TestPostgres;
      bundle: string;
    },
  ) {
    this.home = made.home;
    this.plane = made.plane;
    this.driver = made.driver;
    this.supervisor = made.supervisor;
    this.release = made.release;
    this.block = made.block;
    this.#postgres = made.postgres;
    this.#bundle = made.bundle;
  }

  /** Two cells, healthy and registered. */
  static async open(): Promise<RestoreStage> {
    const [home, bundle] = await Promise.all(
      ["cellplane-restore-", "cellplane-bundle-"].map((name) => mkdtemp(join(tmpdir(), name))),
    );
    if (home === undefined || bundle === undefined) throw new Error("no folders");
    const postgres = await startPostgres();
    const plane = await startTestPlane(postgres, { creationWaitMs: 30_000 });
    const release = await bundleRelease({ folder: application, version: "1", outDir: bundle });
    const ref = { name: release.manifest.name, digest: release.digest };
    const block = await allocateBlock(home);
    // Backups are made by the tests themselves: one that comes by itself would find theirs under way, or they it.
    process.env["CELLPLANE_BACKUP_HOURS"] = "0";
    const supervisor = await startSupervisor(home);
    const driver = driverFor({ home, plane, release, block, supervisor });
    const stage = new RestoreStage({ home, plane, driver, supervisor, release: ref, block, postgres, bundle });
    const { router } = stage;
    const part = await plane.call("PUT", "/v1/parts/router-1", { role: "router", keys: [router.spki], url: null });
    if (part.status !== 200) throw new Error(`the router was not registered: ${JSON.stringify(part.body)}`);
    for (const cell of [cellOne, cellTwo]) await stage.#bringUp(cell);
    return stage;
  }

  async #bringUp(cell: CellId): Promise<void> {
    const { driver, plane, release } = this;
    const addresses = await driver.provision({ id: cell, region: "eu" });
    await driver.installRelease(cell, release);
    await driver.migrate(cell, release);
    const registered = await plane.call("POST", "/v1/cells", {
      id: cell,
      region: "eu",
      slots: addresses,
      liveSlot: "a",
      release: release.name,
      publicKey: loadSigningKey(join(this.home, "keys", `${cell}.pem`)).spki,
      capacity: { requestsPerSecond: 2000, tenants: 500, storageBytes: 2 ** 39 },
    });
    if (registered.status !== 200) throw new Error(`${cell} was not registered: ${JSON.stringify(registered.body)}`);
    await driver.startRelease(cell, "a", release);
    await this.healthy(cell);
  }

  database(cell: CellId): Promise<CellDatabase> {
    return findCellDatabase(this.home, cell);
  }

  /** Waits until the control plane finds the cell healthy. */
  async healthy(cell: CellId): Promise<void> {
    await until(`${cell} is healthy`, async () => (await this.cellHealth(cell)) === "healthy", 90_000);
  }

  async cellHealth(cell: CellId): Promise<unknown> {
    return (await this.plane.call("GET", `/v1/cells/${cell}`)).body["health"];
  }

  /** A tenant in a cell of our choice: the other is cordoned meanwhile. */
  async createTenant(slug: string, cell: CellId): Promise<string> {
    const other = cell === cellOne ? cellTwo : cellOne;
    await this.plane.call("PATCH", `/v1/cells/${other}`, { cordoned: true });
    const made = await this.plane.call("POST", "/v1/tenants", { slug, tier: "pro" });
    await this.plane.call("PATCH", `/v1/cells/${other}`, { cordoned: false });
    if (made.status !== 201 || made.body["cell"] !== cell) throw new Error(JSON.stringify(made.body));
    return String(made.body["id"]);
  }

  async tenant(slug: string): Promise<{ id: string; cell: CellId; epoch: number; state: string }> {
    const { body } = await this.plane.call("GET", `/v1/tenants/${slug}`);
    return body as { id: string; cell: CellId; epoch: number; state: string };
  }

  /** A tenant's request as a router sends it: to the cell and at the epoch that the registry says, or at those given. */
  async request(
    slug: string,
    path: string,
    options: { body?: unknown; cell?: CellId; epoch?: number } = {},
  ): Promise<Answer> {
    const tenant = await this.tenant(slug);
    const cell = options.cell ?? tenant.cell;
    const iat = Math.floor(Date.now() / 1000);
    const claims = {
      iss: "router-1",
      aud: cell,
      tenant: tenant.id,
      epoch: options.epoch ?? tenant.epoch,
      principal: "key-1",
      synthetic: false,
      iat,
      exp: iat + 60,
    };
    const assertion = await signToken("cp-assertion", claims, this.router);
    return send(this.#ports(cell, "api"), path, { ...options, headers: { "cellplane-assertion": assertion } });
  }

  /** The cell's admin API as the control plane. */
  async admin(cell: CellId, path: string, options: { method?: string; body?: unknown } = {}): Promise<Answer> {
    const token = await commandTokens("control-plane", this.plane.key, systemClock)(cell);
    return send(this.#ports(cell, "admin"), path, { ...options, headers: { authorization: `Bearer ${token}` } });
  }

  async leases(cell: CellId): Promise<Lease[]> {
    return (await this.admin(cell, "/v1/leases")).body["leases"] as Lease[];
  }

  /** Has a tenant write notes, by jobs, and waits until they are there. */
  async write(slug: string, note: string, times: number): Promise<void> {
    const sent = await this.request(slug, "/v1/notes", { body: { note, times, behaviour: "write" } });
    if (sent.status !== 202) throw new Error(`${sent.status} ${JSON.stringify(sent.body)}`);
    await until(`${note} is written`, async () => (await this.count(slug, note)) === times, 60_000);
  }

  /** How many of these notes the tenant has in the cell (its own unless another is named). */
  async count(slug: string, note: string, cell?: CellId): Promise<number> {
    const tenant = await this.tenant(slug);
    const rows = await this.sql<{ count: number }>(
      cell ?? tenant.cell,
      "SELECT count(*) AS count FROM notes WHERE tenant_id = $1 AND note = $2",
      [tenant.id, note],
    );
    return rows[0]?.count ?? 0;
  }

  /** A statement in a cell's database as its superuser. */
  async sql<Row extends Record<string, unknown>>(cell: CellId, text: string, values: unknown[] = []): Promise<Row[]> {
    const client = await connect((await this.database(cell)).superuserUrl("cell"), "test");
    try {
      return (await client.query<Row>(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  #ports(cell: CellId, role: "api" | "admin"): string {
    return `http://127.0.0.1:${cellPorts(this.block, Number(cell.split("-")[1]) - 1).slots.a[role]}`;
  }

  async close(): Promise<void> {
    await (await startSupervisor(this.home)).shutdown();
    await this.plane.stop();
    await this.#postgres.stop();
    await Promise.all([this.home, this.#bundle].map((folder) => rm(folder, { recursive: true, force: true })));
  }
}

function driverFor(parts: {
  home: string;
  plane: TestPlane;
  release: BundledRelease;
  block: number;
  supervisor: Supervisor;
}): LocalDriver {
  const { home, plane, release, block, supervisor } = parts;
  return new LocalDriver({
    home,
    clock: systemClock,
    supervisor: async () => supervisor,
    programs: async () => {
      const redis = locateRedis();
      if (redis === null) throw new Error("no Redis on this machine");
      return { postgres: await locatePostgres(), redis, user: await databaseUser() };
    },
    ports: (cell) => cellPorts(block, Number(cell.split("-")[1]) - 1),
    releases: {
      manifest: async () => release.manifest,
      read: async (digest) => {
        const file = release.files.find((candidate) => candidate.digest === digest);
        if (file === undefined) throw new Error(`no file ${digest}`);
        return createReadStream(file.source);
      },
    },
    fleet: { url: plane.url, trustKeys: [plane.publisherKey.spki] },
    token: commandTokens("control-plane", plane.key, systemClock),
    logLevel: "info",
  });
}
