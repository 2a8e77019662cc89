import { setTimeout as sleep } from "node:timers/promises";
import type { TenantId } from "../../../../common/ids.ts";
import { connect, type Client } from "../../../../common/postgres/pool.ts";
import { uuidv7 } from "../../../../common/uuid.ts";
import { driverError } from "../../errors.ts";
import { restoredLeases } from "./backup.store.ts";
import { findBase } from "./backups.ts";
import { withBeside, type BesideDatabase, type RestoreMeans } from "./beside.ts";
import type { CellDatabase } from "./cell-database.ts";
import { openFormer } from "./former.ts";
import { alone } from "./lock.ts";
import {
  exchangeRows,
  fillImport,
  fillTenant,
  freezeForRestore,
  rowTables,
  stageRows,
  thawAfterRestore,
  type ImportStep,
  type RowTable,
  type Stages,
} from "./tenant.store.ts";

/** A tenant whose writers never let go for a quarter of a second is not restored in place. */
const freezeTries = 20;
const freezePauseMs = 100;

export interface RestoredTenant {
  readonly base: string;
  /** The newest commit of the cell that was restored. */
  readonly through: string;
  /** Per table, how many rows the tenant has now. */
  readonly tables: readonly { readonly name: string; readonly rows: number }[];
  /** How long its writes were refused by what was done here; 0 for a tenant under a new name or in another cell. */
  readonly pauseMs: number;
}

export interface TenantInPlace {
  readonly tenant: TenantId;
  /** At which the cell owns the tenant; the restore grants the next one. */
  readonly epoch: number;
  readonly until: Date;
}

/**
 * Puts one tenant back to what it was at a moment, with its jobs and schedules of then, while the cell serves all others. Its rows are brought and compared
 * first; then its writes stop for as long as the exchange within the database takes, and it goes on one epoch higher.
 * @param from the cell whose backup has the tenant as it was; its own, unless it lived elsewhere then
 * @throws backup-busy, no-backup, tenant-not-in-backup; restore-failed, after which the tenant is as it was
 */
export async function restoreTenantInPlace(
  from: CellDatabase,
  into: CellDatabase,
  means: RestoreMeans,
  { tenant, epoch, until }: TenantInPlace,
): Promise<RestoredTenant & { readonly epoch: number }> {
  const { result, ...rest } = await withRows(
    from,
    into,
    means,
    { tenant, as: tenant, until },
    () => true,
    async (rows) => {
      const freeze = { id: `restore-${uuidv7()}`, operation: uuidv7() };
      await freezePatiently(rows.client, tenant, epoch, freeze);
      const began = means.clock.monotonic();
      try {
        const granted = await exchangeRows(rows.client, tenant, epoch, freeze.id, rows.stages);
        if (granted === null) throw new Error("the freeze ended before the exchange");
        return { epoch: granted, pauseMs: Math.round(means.clock.monotonic() - began) };
      } catch (cause) {
        await thawAfterRestore(rows.client, tenant, freeze.id);
        throw driverError("restore-failed", `The tenant is as it was: ${(cause as Error).message}.`, { cause });
      }
    },
  );
  return { ...rest, ...result };
}

/**
 * Gives a new tenant what another one had at a moment: the application's rows. Its jobs, schedules, receipts and rollups are not copied, or they would
 * have their effects twice.
 * @param as a tenant that is served and has no rows yet
 * @throws backup-busy, no-backup, tenant-not-in-backup; restore-failed when the new tenant has rows already
 */
export async function restoreTenantAs(
  from: CellDatabase,
  into: CellDatabase,
  means: RestoreMeans,
  wish: { readonly tenant: TenantId; readonly as: TenantId; readonly until: Date },
): Promise<RestoredTenant> {
  const applicationsOnly = ({ isApplications }: RowTable): boolean => isApplications;
  const { result: _, ...rest } = await withRows(
    from,
    into,
    means,
    wish,
    applicationsOnly,
    async ({ client, stages }) => {
      if (!(await fillTenant(client, wish.as, stages)))
        throw driverError(
          "restore-failed",
          "The new tenant has rows of its own already, or is not owned in that cell.",
        );
    },
  );
  return { ...rest, pauseMs: 0 };
}

/**
 * Brings what a tenant was at a moment, with its jobs and schedules of then, into another cell, where its import is open. Nobody is served by it until the
 * tenant's own cell has given it away.
 * @throws backup-busy, no-backup, tenant-not-in-backup; restore-failed when the import is not open any more
 */
export async function bringTenant(
  from: CellDatabase,
  into: CellDatabase,
  means: RestoreMeans,
  { tenant, until, step }: { readonly tenant: TenantId; readonly until: Date; readonly step: ImportStep },
): Promise<RestoredTenant> {
  const wish = { tenant, as: tenant, until };
  const { result: _, ...rest } = await withRows(
    from,
    into,
    means,
    wish,
    () => true,
    async ({ client, stages }) => {
      if (!(await fillImport(client, tenant, step, stages)))
        throw driverError(
          "restore-failed",
          `${into.cell} does not take the tenant by attempt ${step.attempt} any more.`,
        );
    },
  );
  return { ...rest, pauseMs: 0 };
}

interface StagedRows {
  /** The connection that has the staged rows. */
  readonly client: Client;
  readonly stages: Stages;
}

interface Brought<Result> extends Omit<RestoredTenant, "pauseMs"> {
  readonly result: Result;
}

async function withRows<Result>(
  from: CellDatabase,
  into: CellDatabase,
  means: RestoreMeans,
  wish: { readonly tenant: TenantId; readonly as: TenantId; readonly until: Date },
  wants: (table: RowTable) => boolean,
  work: (rows: StagedRows) => Promise<Result>,
): Promise<Brought<Result>> {
  return await alone(from, async () => {
    await (await openFormer(from, means.clock)).close();
    return await withBeside(from, means, await findBase(from, wish.until), wish, async (beside) => {
      const source = await connect(beside.url("cell"), "tenant-restore");
      const client = await connect(into.superuserUrl("cell"), "tenant-restore");
      try {
        await requireTenant(source, wish.tenant, beside);
        const [common, newer] = await tablesOf(source, client, wants);
        const stages = new Map<RowTable, string | null>(newer.map((table) => [table, null]));
        const tables: { name: string; rows: number }[] = [];
        const [of, to] = [
          { client: source, tenant: wish.tenant },
          { client, tenant: wish.as },
        ];
        for (const table of common) {
          const stage = `restored_${stages.size}`;
          const { rows } = await stageRows(of, to, table, stage);
          stages.set(table, stage);
          tables.push({ name: table.name, rows });
        }
        return { base: beside.base.id, through: beside.through, tables, result: await work({ client, stages }) };
      } finally {
        await source.end();
        await client.end();
      }
    });
  });
}

async function requireTenant(source: Client, tenant: TenantId, { base, through }: BesideDatabase): Promise<void> {
  const lease = (await restoredLeases(source)).find((candidate) => candidate.tenant === tenant);
  if (lease !== undefined && (lease.state === "active" || lease.state === "frozen")) return;
  const held = lease === undefined ? "no lease" : `a lease that is ${lease.state}`;
  throw driverError("tenant-not-in-backup", `${base.cell} had ${held} of the tenant at ${through}.`);
}

/**
 * The tables to fill, with the columns that they had then, and those that are newer than the moment: nothing was in them.
 * @throws restore-failed where the schema has lost something since
 */
async function tablesOf(
  source: Client,
  target: Client,
  wants: (table: RowTable) => boolean,
): Promise<[then: RowTable[], newer: RowTable[]]> {
  const now = new Map((await rowTables(target)).map((table) => [table.name, table]));
  const then = (await rowTables(source)).filter(wants);
  for (const { name, columns } of then) {
    const lost = columns.filter((column) => !(now.get(name)?.columns.includes(column) ?? false));
    if (lost.length === 0) continue;
    throw driverError("restore-failed", `The schema has lost ${name} (${lost.join(", ")}) since that moment.`);
  }
  return [then, [...now.values()].filter((table) => wants(table) && !then.some(({ name }) => name === table.name))];
}

async function freezePatiently(
  client: Client,
  tenant: TenantId,
  epoch: number,
  freeze: { readonly id: string; readonly operation: string },
): Promise<void> {
  for (let tries = 0; tries < freezeTries; tries++) {
    if (await freezeForRestore(client, tenant, epoch, freeze)) return;
    await sleep(freezePauseMs);
  }
  throw driverError("restore-failed", `The tenant is not owned at epoch ${epoch}, or its writers do not let go.`);
}
