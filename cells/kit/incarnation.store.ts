import type { ConfirmLeases, Incarnation, Lease } from "../../common/contracts/cell-admin.ts";
import type { TenantId } from "../../common/ids.ts";
import { inTransaction, type Pool, type Queryable } from "../../common/postgres/pool.ts";
import { cellError } from "./errors.ts";
import { leaseColumns } from "./lease.store.ts";
import { endImport } from "./lease-import.store.ts";
import { shipAllAgain } from "./rollups/shipment.store.ts";

/** Which life the database is in, and how many leases do not belong to the life `onFile`. */
export async function readIncarnations(
  system: Queryable,
  onFile: string | null,
): Promise<Pick<Incarnation, "database" | "unconfirmed">> {
  const result = await system.query<{ database: string | null; unconfirmed: number }>(
    `SELECT (SELECT incarnation FROM cellplane.cell) AS database,
       (SELECT count(*) FROM cellplane.leases WHERE state <> 'released' AND (incarnation <> $1 OR $1 IS DISTINCT FROM (SELECT incarnation FROM cellplane.cell))) AS unconfirmed`,
    [onFile],
  );
  return result.rows[0] ?? { database: null, unconfirmed: 0 };
}

/**
 * Takes the registry's word about leases of a former life, all of it or nothing: the cell begins the life `incarnation`, confirmed leases are active in
 * it at their new epoch, dropped ones are held no more. Leases that are not named stay unconfirmed. Said again it changes nothing.
 * @throws confirmation-refused
 */
export async function confirmLeases(system: Pool, { incarnation, leases }: ConfirmLeases): Promise<void> {
  await inTransaction(system, async (client) => {
    // The row's lock keeps two confirmations apart.
    const life = await client.query<{ incarnation: string }>(`SELECT incarnation FROM cellplane.cell FOR UPDATE`);
    if (life.rows[0]?.incarnation !== incarnation) {
      await client.query(`UPDATE cellplane.cell SET incarnation = $1, shipment = 0`, [incarnation]);
      // Numbers of shipments count within a life.
      await shipAllAgain(client);
    }
    for (const word of leases) {
      if ("dropped" in word) await drop(client, word.tenant, incarnation);
      else await confirm(client, word.tenant, word.epoch, incarnation);
    }
  });
}

/**
 * The lost life may have given out attempt numbers that this database has forgotten; the next one lies beyond them, so that no mover from then shares its
 * number with a later one. No operation tries so often, and no cell is restored 2,000 times.
 */
const attemptsOfALostLife = 1_000_000;

async function lockLease(client: Queryable, tenant: TenantId): Promise<Lease | undefined> {
  const found = await client.query<Lease>(
    `SELECT ${leaseColumns} FROM cellplane.leases WHERE tenant_id = $1 FOR UPDATE`,
    [tenant],
  );
  return found.rows[0];
}

async function confirm(client: Queryable, tenant: TenantId, epoch: number, incarnation: string): Promise<void> {
  const held = await lockLease(client, tenant);
  if (held === undefined) throw cellError("confirmation-refused", `There is no lease of ${tenant}.`);
  if (held.incarnation === incarnation && held.epoch === epoch) return;
  if (held.incarnation === incarnation)
    throw cellError("confirmation-refused", `${tenant} is confirmed already, at epoch ${held.epoch}.`);
  // An import that was ready has all its rows; one that was not has some of them, and a tombstone's were given away.
  if (held.state === "importing" || held.state === "released")
    throw cellError("confirmation-refused", `The lease of ${tenant} is ${held.state}; it can only be dropped.`);
  if (epoch <= held.epoch)
    throw cellError("confirmation-refused", `${tenant} was held at epoch ${held.epoch}; it takes a higher one.`);
  await client.query(
    `UPDATE cellplane.leases SET state = 'active', epoch = $2, incarnation = $3, operation = NULL, attempt = attempt + $4, freeze_id = NULL, freeze_deadline = NULL,
       release_record = NULL, source_cell = NULL, former_epoch = NULL, updated_at = clock_timestamp() WHERE tenant_id = $1`,
    [tenant, epoch, incarnation, attemptsOfALostLife],
  );
}

async function drop(client: Queryable, tenant: TenantId, incarnation: string): Promise<void> {
  const held = await lockLease(client, tenant);
  if (held === undefined || held.state === "released") return;
  if (held.incarnation === incarnation)
    throw cellError("confirmation-refused", `${tenant} is confirmed already, at epoch ${held.epoch}.`);
  await client.query(`INSERT INTO cellplane.refused_grants (tenant_id, epoch) VALUES ($1, $2) ON CONFLICT DO NOTHING`, [
    tenant,
    held.epoch,
  ]);
  await endImport(client, tenant);
}
