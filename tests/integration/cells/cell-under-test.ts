import { execFile, spawn, type ChildProcess } from "node:child_process";
import { createWriteStream } from "node:fs";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { bundleRelease, type BundledRelease } from "../../../cells/drivers/bundle/bundle.ts";
import type { PartRow, TenantRow } from "../../../common/contracts/fleet.ts";
import type { Slot } from "../../../common/contracts/lease.ts";
import { FleetBundle } from "../../../common/fleet/bundle.ts";
import { FleetDocument } from "../../../common/fleet/document.ts";
import { sealEnvelope } from "../../../common/fleet/envelope.ts";
import { cellId, tenantId, type CellId, type TenantId } from "../../../common/ids.ts";
import { generateSigningKey, type SigningKey } from "../../../common/keys.ts";
import { connect } from "../../../common/postgres/pool.ts";
import { signToken } from "../../../common/tokens.ts";
import { uuidv7 } from "../../../common/uuid.ts";
import { freePort } from "../../support/ports.ts";
import { send, until, type Answer } from "./http-call.ts";
import { ServersAgain } from "./servers-again.ts";
import { openSink, type ShipmentSink } from "./shipment-sink.ts";
import { startPostgres, type FreshDatabase, type TestPostgres } from "../../support/postgres.ts";
import { startRedis, type TestRedis } from "../../support/redis.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../../..");

export interface TestTenant {
  readonly id: TenantId;
  readonly slug: string;
  readonly tier: TenantRow["tier"];
  readonly synthetic: boolean;
}

/** Which cell, and a cell whose fleet it belongs to. */
export interface CellIdentity {
  readonly id?: string;
  readonly of?: CellUnderTest;
}

export interface CallOptions {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly epoch?: number;
  readonly principal?: string;
  readonly slot?: Slot;
  /** Sends this instead of a valid assertion; null sends none. */
  readonly assertion?: string | null;
}

interface RunningProcess {
  readonly child: ChildProcess;
  readonly adminUrl: string;
  readonly url: string;
}

/**
 * One cell on real parts: a release bundled from an application folder, run as its own processes from a temporary folder, with its own PostgreSQL and
 * Redis; the control plane is dead, the fleet document lies on disk.
 */
export class CellUnderTest {
  readonly id: CellId;
  readonly publisher: SigningKey;
  readonly router: SigningKey;
  readonly plane: SigningKey;
  readonly workflow: SigningKey;
  readonly aggregator: SigningKey;
  readonly cellKey = generateSigningKey();
  /** The other cells of its fleet: a process that starts after they are made knows their keys. */
  readonly kin: CellUnderTest[];
  readonly folder: string;
  readonly postgres: TestPostgres;
  readonly database: FreshDatabase;
  readonly redis: TestRedis;
  readonly tenants: TestTenant[] = [];
  sink: ShipmentSink | null = null;
  readonly #releases = new Map<string, { readonly release: BundledRelease; readonly directory: string }>();
  readonly #running = new Map<string, RunningProcess>();
  readonly #again: ServersAgain;

  private constructor(
    folder: string,
    postgres: TestPostgres,
    database: FreshDatabase,
    redis: TestRedis,
    { id = "cell-1", of }: CellIdentity,
  ) {
    this.id = cellId(id);
    this.publisher = of?.publisher ?? generateSigningKey();
    this.router = of?.router ?? generateSigningKey();
    this.plane = of?.plane ?? generateSigningKey();
    this.workflow = of?.workflow ?? generateSigningKey();
    this.aggregator = of?.aggregator ?? generateSigningKey();
    this.kin = of?.kin ?? [];
    this.kin.push(this);
    this.folder = folder;
    this.postgres = postgres;
    this.database = database;
    this.redis = redis;
    this.#again = new ServersAgain(folder);
  }

  /** @param options `durable`: PostgreSQL syncs to disk, as in a real cell. */
  static async start(options: CellIdentity & { readonly durable?: boolean } = {}): Promise<CellUnderTest> {
    const folder = await mkdtemp(join(tmpdir(), "cellplane-cell-"));
    const [postgres, redis] = await Promise.all([startPostgres(options), startRedis()]);
    const cell = new CellUnderTest(folder, postgres, await postgres.freshDatabase(), redis, options);
    await writeFile(join(folder, "cell.pem"), cell.cellKey.privateKey.export({ format: "pem", type: "pkcs8" }), {
      mode: 0o600,
    });
    return cell;
  }

  /** Bundles an application into a folder of its own, as a cell gets it. */
  async release(application: string, version: string): Promise<string> {
    const directory = join(this.folder, "releases", version);
    const release = await bundleRelease({ folder: join(root, application), version, outDir: directory });
    for (const file of release.files) {
      const target = join(directory, file.path);
      if (file.source === target || file.path === "node") continue;
      await mkdir(dirname(target), { recursive: true });
      await copyFile(file.source, target);
      await chmod(target, 0o600);
    }
    this.#releases.set(release.manifest.name, { release, directory });
    return release.manifest.name;
  }

  addTenant(slug: string, options: { readonly synthetic?: boolean } = {}): TestTenant {
    const synthetic = options.synthetic ?? false;
    const tenant = {
      id: tenantId(uuidv7()),
      slug,
      tier: synthetic ? ("synthetic" as const) : ("pro" as const),
      synthetic,
    };
    this.tenants.push(tenant);
    return tenant;
  }

  async migrate(
    release: string,
    slot: Slot = "a",
    args: readonly string[] = [],
  ): Promise<{ applied: unknown[]; schema: { kit: number; app: number } }> {
    const { directory } = this.#found(release);
    const { stdout } = await run(process.execPath, [join(directory, "migrate.mjs"), ...args], {
      cwd: directory,
      env: this.#environment(release, slot),
    });
    return JSON.parse(stdout) as { applied: unknown[]; schema: { kit: number; app: number } };
  }

  startApi = (release: string, slot: Slot = "a", timeoutMs = 60_000, env: Record<string, string> = {}): Promise<void> =>
    this.#start("api", release, slot, timeoutMs, env);
  startWorker = (release: string, slot: Slot = "a"): Promise<void> => this.#start("worker", release, slot);

  async #start(role: "api" | "worker", release: string, slot: Slot, timeoutMs = 60_000, more = {}): Promise<void> {
    const { directory } = this.#found(release);
    const [apiPort, adminPort] = [await freePort(), await freePort()];
    this.#writeFleet(join(this.folder, "fleet", `${role}-${slot}`));
    const ports = { API_PORT: String(apiPort), ADMIN_PORT: String(adminPort) };
    const env = { ...this.#environment(release, slot), ...ports, ...more };
    const child = spawn(process.execPath, [join(directory, `${role}.mjs`)], {
      cwd: directory,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const log = createWriteStream(join(this.folder, `${role}-${slot}.log`), { flags: "a" });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    const running = { child, url: `http://127.0.0.1:${apiPort}`, adminUrl: `http://127.0.0.1:${adminPort}` };
    this.#running.set(`${role}-${slot}`, running);
    await until(
      `${role}-${slot} is ready`,
      async () => {
        if (child.exitCode !== null) throw new Error(await this.logOf(role, slot));
        return (await fetch(`${running.adminUrl}/readyz`).catch(() => null))?.status === 200;
      },
      timeoutMs,
    );
  }

  async logOf(role: "api" | "worker", slot: Slot): Promise<string> {
    return readFile(join(this.folder, `${role}-${slot}.log`), "utf8");
  }

  async kill(role: "api" | "worker", slot: Slot, signal: NodeJS.Signals = "SIGKILL"): Promise<number | null> {
    const running = this.#running.get(`${role}-${slot}`);
    this.#running.delete(`${role}-${slot}`);
    if (running === undefined || running.child.exitCode !== null || running.child.signalCode !== null)
      return running?.child.exitCode ?? null;
    const gone = new Promise<number | null>((done) => {
      running.child.once("exit", (code) => done(code));
    });
    running.child.kill(signal);
    return gone;
  }

  pidOf(role: "api" | "worker", slot: Slot = "a"): number {
    const { pid } = this.#process(`${role}-${slot}`).child;
    if (pid === undefined) throw new Error(`${role}-${slot} has ended`);
    return pid;
  }

  url(slot: Slot = "a"): string {
    return this.#process(`api-${slot}`).url;
  }

  adminUrlOf(role: "api" | "worker", slot: Slot = "a"): string {
    return this.#process(`${role}-${slot}`).adminUrl;
  }

  /** What a router would send for a tenant. */
  async call(tenant: TestTenant, path: string, options: CallOptions = {}): Promise<Answer> {
    const assertion = options.assertion === undefined ? await this.assertion(tenant, options) : options.assertion;
    return send(this.url(options.slot), path, {
      ...options,
      headers: { ...(assertion === null ? {} : { "cellplane-assertion": assertion }), ...options.headers },
    });
  }

  async assertion(
    tenant: TestTenant,
    options: {
      readonly epoch?: number;
      readonly principal?: string;
      readonly signer?: SigningKey;
      readonly issuer?: string;
      readonly audience?: string;
    } = {},
  ): Promise<string> {
    const iat = Math.floor(Date.now() / 1000);
    const claims = {
      iss: options.issuer ?? "router-1",
      aud: options.audience ?? this.id,
      tenant: tenant.id,
      epoch: options.epoch ?? 1,
      principal: options.principal ?? "key-1",
      synthetic: tenant.synthetic,
      iat,
      exp: iat + 60,
    };
    return signToken("cp-assertion", claims, options.signer ?? this.router);
  }

  /** A call of the admin API, as the control plane unless said otherwise. */
  async admin(
    path: string,
    options: {
      readonly method?: string;
      readonly body?: unknown;
      readonly slot?: Slot;
      readonly role?: "api" | "worker";
      readonly as?: readonly [SigningKey, string];
    } = {},
  ): Promise<Answer> {
    const [key, issuer] = options.as ?? [this.plane, "control-plane"];
    const iat = Math.floor(Date.now() / 1000);
    const token = await signToken("cp-command", { iss: issuer, aud: this.id, iat, exp: iat + 60 }, key);
    const { adminUrl } = this.#process(`${options.role ?? "api"}-${options.slot ?? "a"}`);
    return send(adminUrl, path, { ...options, headers: { authorization: `Bearer ${token}` } });
  }

  async grant(tenant: TestTenant, epoch = 1): Promise<Answer> {
    return this.admin(`/v1/leases/${tenant.id}`, {
      method: "PUT",
      body: { epoch, slug: tenant.slug, tier: tenant.tier, synthetic: tenant.synthetic },
    });
  }

  /** Keeps a freeze from ending while a busy machine gets round to the next step. */
  async holdFreeze(tenant: TestTenant): Promise<void> {
    const longer =
      "UPDATE cellplane.leases SET freeze_deadline = now() + interval '1 hour' WHERE tenant_id = $1 AND state = 'frozen'";
    await this.sql(longer, [tenant.id]);
  }

  /** A statement as the superuser, to look behind the walls. */
  async sql<Row extends Record<string, unknown>>(
    text: string,
    values: unknown[] = [],
    url = this.database.url,
  ): Promise<Row[]> {
    const client = await connect(url, "test");
    try {
      return (await client.query<Row>(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  /** Kills a server, also one that was started again. */
  crash(server: "postgres" | "redis"): void {
    process.kill((this.#again.of(server) ?? this[server]).pid, "SIGKILL");
  }

  /** Starts the killed Redis again: empty, at its old port. */
  async restartRedis(): Promise<void> {
    await this.#again.restartRedis(this.redis);
  }

  /** Starts the killed PostgreSQL again, on its own data, as the supervisor does. */
  async restartPostgres(): Promise<void> {
    await this.#again.restartPostgres(this.postgres);
  }

  async openSink(): Promise<ShipmentSink> {
    this.sink = await openSink();
    return this.sink;
  }

  async stop(): Promise<void> {
    for (const name of this.#running.keys())
      await this.kill(...(name.split("-") as ["api" | "worker", Slot]), "SIGTERM");
    await this.sink?.stop();
    await this.#again.stop();
    await Promise.all([this.postgres.stop(), this.redis.stop()]);
    await rm(this.folder, { recursive: true, force: true });
  }

  #process(name: string): RunningProcess {
    const running = this.#running.get(name);
    if (running === undefined) throw new Error(`${name} does not run`);
    return running;
  }

  #found(name: string): { readonly release: BundledRelease; readonly directory: string } {
    const found = this.#releases.get(name);
    if (found === undefined) throw new Error(`no release ${name}`);
    return found;
  }

  #environment(name: string, slot: Slot): Record<string, string> {
    const { release, directory } = this.#found(name);
    return {
      ...release.manifest.configuration,
      CELL_ID: this.id,
      CELL_REGION: "eu",
      SLOT: slot,
      RELEASE: name,
      RELEASE_DIGEST: release.digest,
      RELEASE_DIRECTORY: directory,
      OWNER_DATABASE_URL: this.database.ownerUrl,
      APP_DATABASE_URL: this.database.appUrl,
      SYSTEM_DATABASE_URL: this.database.systemUrl,
      REDIS_URL: this.redis.url,
      HOST: "127.0.0.1",
      CELL_KEY_FILE: join(this.folder, "cell.pem"),
      // Nobody listens there: the control plane is dead.
      FLEET_URL: "http://127.0.0.1:9",
      FLEET_TRUST_KEYS: this.publisher.spki,
      FLEET_DIRECTORY: join(this.folder, "fleet"),
      INCARNATION_FILE: join(this.folder, "incarnation"),
      LOG_LEVEL: "info",
    };
  }

  #writeFleet(directory: string): void {
    const part = (id: string, role: PartRow["role"], key: SigningKey, url: string | null = null) =>
      [`part/${id}`, { id, role, keys: [key.spki], url }] as const;
    const rows = Object.fromEntries<unknown>([
      part("publisher", "publisher", this.publisher),
      part("router-1", "router", this.router),
      part("control-plane", "control-plane", this.plane),
      part("worker", "worker", this.workflow),
      part("aggregator", "aggregator", this.aggregator, this.sink?.url ?? null),
      ...this.kin.map((cell) => part(cell.id, "cell", cell.cellKey)),
      ...this.tenants.map((tenant) => [`tenant/${tenant.id}`, this.#tenantRow(tenant)] as const),
    ]);
    const generation = { term: 1, n: 1 };
    const snapshot = { kind: "snapshot", generation, hash: FleetDocument.of(rows, generation).hash, rows };
    new FleetBundle(directory).writeSnapshot(sealEnvelope(snapshot, this.publisher), [this.publisher.spki]);
  }

  #tenantRow(tenant: TestTenant): unknown {
    const limits = { requestsPerSecond: 100, inFlight: 10, bodyBytes: 1_048_576 };
    const { id, slug, tier, synthetic } = tenant;
    return {
      id,
      slug,
      domains: [],
      tier,
      cell: this.id,
      epoch: 1,
      state: "active",
      reason: null,
      moving: false,
      synthetic,
      limits,
    };
  }
}
