import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Activator } from "../../../cells/kit/activation.ts";
import { loadMigrations } from "../../../cells/kit/migrations.ts";
import { provision } from "../../../cells/kit/provision.ts";
import { FairShare, jobParts } from "../../../cells/kit/fair-share.ts";
import { TenantDatabase } from "../../../cells/kit/tenant.store.ts";
import { readIncarnation } from "../../../cells/kit/cell-state.ts";
import type { Lease, LeaseStep } from "../../../common/contracts/cell-admin.ts";
import { FleetDocument } from "../../../common/fleet/document.ts";
import { TrustStore } from "../../../common/fleet/trust.ts";
import { cellId, type CellId, type TenantId } from "../../../common/ids.ts";
import { generateSigningKey, type SigningKey } from "../../../common/keys.ts";
import { createLog } from "../../../common/log.ts";
import { connect, createPool, type Client, type Pool } from "../../../common/postgres/pool.ts";
import { holdImport } from "../../../cells/kit/lease-import.store.ts";
import { signToken } from "../../../common/tokens.ts";
import type { FreshDatabase, TestPostgres } from "../../support/postgres.ts";

const root = resolve(import.meta.dirname, "../../..");
/** Of the application, to one cell. */
const connections = 10;
const log = createLog("lease-bed", "silent");

/** The tables that a restore takes back in time. */
const restored = ["leases", "ended_imports", "refused_grants"] as const;

export interface LeaseView {
  readonly tenant: TenantId;
  readonly state: Lease["state"];
  readonly epoch: number;
  readonly incarnation: string;
}

export interface CellView {
  readonly cell: LeaseCell;
  /** Whether the cell takes its database for its own; else no admin route and no request gets through. */
  readonly serves: boolean;
  lease(tenant: TenantId): LeaseView | undefined;
  /** Leases of a life before, which await the registry's word. */
  readonly former: readonly LeaseView[];
  /** What the tenant's rows say; a row twice stands twice. */
  notes(tenant: TenantId): string[];
}

export interface Backup {
  readonly leases: Record<(typeof restored)[number] | "notes", string>;
}

/** A cell as far as its leases go: a real database, migrated as a cell's, and the kit's own code at it; no processes. */
export class LeaseCell {
  readonly id: CellId;
  readonly key: SigningKey;
  readonly database: FreshDatabase;
  readonly system: Pool;
  readonly tenants: TenantDatabase;
  readonly activator: Activator;
  /** What stands in the incarnation file. */
  onFile: string;
  /** What a process of the cell remembers of `look`; see there. */
  serves = true;
  readonly #app: Pool;
  /** The superuser, whom triggers do not stop: the mover's copying, restores, and looks behind the walls. */
  readonly #admin: Client;

  private constructor(
    id: CellId,
    database: FreshDatabase,
    admin: Client,
    onFile: string,
    keys: ReadonlyMap<CellId, SigningKey>,
    statementTimeoutMs: number,
  ) {
    this.id = id;
    this.database = database;
    this.key = keyOf(keys, id);
    this.onFile = onFile;
    this.#admin = admin;
    this.#app = createPool({
      url: database.appUrl,
      application: `${id}-app`,
      max: connections,
      pipeline: true,
      statementTimeoutMs,
      log,
    });
    this.system = createPool({ url: database.systemUrl, application: `${id}-system`, max: 4, log });
    // Transactions stand open here for as long as a sequence likes, and wait for no turn of their tenant.
    this.tenants = new TenantDatabase(this.#app, log, undefined, new FairShare(connections, jobParts));
    const trust = new TrustStore();
    const parts = [...keys].map(([cell, { spki }]) => [
      `part/${cell}`,
      { id: cell, role: "cell", keys: [spki], url: null },
    ]);
    trust.replace(FleetDocument.of(Object.fromEntries(parts) as Record<string, unknown>, { term: 1, n: 1 }));
    this.activator = new Activator({ cell: id, trust, system: this.system, log });
  }

  /** Cells of one fleet, each with a database of its own on one server. */
  static async make(
    postgres: TestPostgres,
    names: readonly string[],
    statementTimeoutMs = 4_500,
  ): Promise<LeaseCell[]> {
    const keys = new Map(names.map((name) => [cellId(name), generateSigningKey()]));
    const folder = await mkdtemp(join(tmpdir(), "cellplane-lease-bed-"));
    try {
      await symlink(join(root, "cells/kit/migrations"), join(folder, "kit"));
      await symlink(join(root, "tests/integration/cells/application/migrations"), join(folder, "app"));
      const migrations = await loadMigrations(folder);
      const cells: LeaseCell[] = [];
      for (const id of keys.keys()) {
        const database = await postgres.freshDatabase();
        const incarnationFile = join(folder, id);
        await provision({
          ownerUrl: database.ownerUrl,
          cell: id,
          slot: "a",
          incarnationFile,
          migrations,
          allowed: new Set(),
        });
        const admin = await connect(database.url, "behind-the-walls");
        await admin.query("SET session_replication_role = replica");
        cells.push(
          new LeaseCell(id, database, admin, (await readIncarnation(incarnationFile)) ?? "", keys, statementTimeoutMs),
        );
      }
      return cells;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** All that there is to see, at one moment, without the help of what is being tested. */
  async look(): Promise<CellView> {
    const found = await this.#admin.query<{
      incarnation: string;
      leases: LeaseView[];
      notes: Record<TenantId, string[]>;
    }>(
      `SELECT incarnation,
         (SELECT coalesce(json_agg(json_build_object('tenant', tenant_id, 'state', state, 'epoch', epoch, 'incarnation', incarnation)), '[]')
            FROM cellplane.leases) AS leases,
         (SELECT coalesce(json_object_agg(tenant_id, notes), '{}') FROM (SELECT tenant_id, json_agg(note) AS notes FROM notes GROUP BY 1) n) AS notes
       FROM cellplane.cell`,
    );
    const [row] = found.rows;
    if (row === undefined) throw new Error("the cell is not provisioned");
    const { incarnation, leases, notes } = row;
    const former = leases.filter((lease) => lease.state !== "released" && lease.incarnation !== this.onFile);
    this.serves = leases.length === 0 || (incarnation === this.onFile && former.length === 0);
    return {
      cell: this,
      serves: this.serves,
      former,
      lease: (tenant) => leases.find((one) => one.tenant === tenant),
      notes: (tenant) => notes[tenant] ?? [],
    };
  }

  /** A mover's copying: replaces the tenant's rows, if this attempt still has the import. */
  async copyIn(tenant: TenantId, step: LeaseStep, notes: readonly string[]): Promise<boolean> {
    const admin = this.#admin;
    await admin.query("BEGIN");
    const held = await holdImport(admin, tenant, step);
    if (held) {
      await admin.query("DELETE FROM notes WHERE tenant_id = $1", [tenant]);
      await admin.query("INSERT INTO notes (tenant_id, note) SELECT $1, unnest($2::text[])", [tenant, notes]);
    }
    await admin.query("COMMIT");
    return held;
  }

  /** Time passes for what is frozen here. */
  async passDeadlines(): Promise<void> {
    await this.#admin.query(
      "UPDATE cellplane.leases SET freeze_deadline = clock_timestamp() - interval '1 s' WHERE state = 'frozen'",
    );
  }

  /** Every connection but our own breaks, as when the server is killed. */
  async crash(): Promise<void> {
    await this.#admin.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
  }

  async backUp(): Promise<Backup> {
    const all = async (table: string): Promise<string> => {
      const found = await this.#admin.query<{ rows: string }>(
        `SELECT coalesce(json_agg(t), '[]')::text AS rows FROM ${table} t`,
      );
      return found.rows[0]?.rows ?? "[]";
    };
    const [leases, ended_imports, refused_grants, notes] = [
      await all("cellplane.leases"),
      await all("cellplane.ended_imports"),
      await all("cellplane.refused_grants"),
      await all("public.notes"),
    ];
    return { leases: { leases, ended_imports, refused_grants, notes } };
  }

  /** The database as it was, but that it is of another life, as is its file: the driver writes both before anything of the cell can start. */
  async restore(backup: Backup, life: string): Promise<void> {
    await this.crash();
    await this.#admin.query("BEGIN");
    for (const [table, rows] of Object.entries(backup.leases)) {
      const name = table === "notes" ? "public.notes" : `cellplane.${table}`;
      await this.#admin.query(`DELETE FROM ${name}`);
      await this.#admin.query(`INSERT INTO ${name} SELECT * FROM json_populate_recordset(NULL::${name}, $1::json)`, [
        rows,
      ]);
    }
    await this.#admin.query("UPDATE cellplane.cell SET incarnation = $1", [life]);
    await this.#admin.query("COMMIT");
    this.onFile = life;
    await this.look();
  }

  /** Forgets all tenants. */
  async clear(): Promise<void> {
    for (const table of ["public.notes", ...restored.map((name) => `cellplane.${name}`)])
      await this.#admin.query(`DELETE FROM ${table}`);
    await this.#admin.query("UPDATE cellplane.cell SET incarnation = $1", [this.onFile]);
  }

  /** The record that this cell's admin API would sign. */
  sign(record: Record<string, unknown>): Promise<string> {
    const slot = { url: "http://127.0.0.1:9", adminUrl: "http://127.0.0.1:9", workerUrl: "http://127.0.0.1:9" };
    const claims = { from: this.id, addresses: { a: slot, b: slot }, iat: 1, ...record };
    return signToken("cp-release-record", claims, this.key);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#app.end(), this.system.end(), this.#admin.end()]);
  }
}

function keyOf(keys: ReadonlyMap<CellId, SigningKey>, id: CellId): SigningKey {
  const key = keys.get(id);
  if (key === undefined) throw new Error(`no key of ${id}`);
  return key;
}
