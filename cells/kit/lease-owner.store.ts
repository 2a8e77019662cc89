import type { FreezeStep, Lease, LeaseStep } from "../../common/contracts/cell-admin.ts";
import type { OperationId, TenantId } from "../../common/ids.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { leaseColumns, lockWaitMs, ofThisLife, readLease, withinWait, withoutWriters } from "./lease.store.ts";
import { notDone, type StepOutcome } from "./lease-import.store.ts";

// The owner's side of a move, each step a compare-and-set on the lease row:
//   active    → frozen by freeze of the newest attempt
//   frozen    → active by thaw, by the next attempt, by the deadline (whoever looks first) · released by release under the same freeze
//   released  stays: a tombstone, until an import or a grant at a higher epoch
// Every try begins with `takeAttempt`; from then on an older one is refused at each step.

/** A freeze ends by itself after this long, by the clock of the cell's own database, so that no death of others keeps a tenant from writing. */
const freezeMs = 3_000;

/**
 * Gives the operation the next attempt number and thaws what an older attempt froze.
 * @returns done with the lease; a tenant that is given away already is answered as it is, `released`: then the move goes forward.
 * @throws lease-busy
 */
export async function takeAttempt(system: Pool, tenant: TenantId, operation: OperationId): Promise<StepOutcome> {
  const taken = await change(
    system,
    `UPDATE cellplane.leases SET operation = $2, attempt = attempt + 1, state = 'active', freeze_id = NULL, freeze_deadline = NULL, updated_at = clock_timestamp()
     WHERE tenant_id = $1 AND state IN ('active', 'frozen') AND ${ofThisLife} RETURNING ${leaseColumns}`,
    [tenant, operation],
  );
  if (taken !== undefined) return { kind: "done", lease: taken };
  const lease = await readLease(system, tenant);
  return lease?.state === "released" && lease.operation === operation
    ? { kind: "done", lease }
    : { kind: "moved-on", lease };
}

/**
 * Stops the tenant's writes; reads go on. Waits for the writes that are under way, a bounded time.
 * @param forMs how long it lasts at most; shorter in tests.
 * @throws lease-busy
 */
export async function freezeLease(
  system: Pool,
  tenant: TenantId,
  step: LeaseStep,
  freeze: string,
  forMs = freezeMs,
): Promise<StepOutcome> {
  return withoutWriters(system, tenant, lockWaitMs, async (client) => {
    const frozen = await client.query<Lease>(
      `UPDATE cellplane.leases SET state = 'frozen', freeze_id = $4, freeze_deadline = clock_timestamp() + make_interval(secs => $5::float8 / 1000),
         updated_at = clock_timestamp()
       WHERE tenant_id = $1 AND state = 'active' AND operation = $2 AND attempt = $3 AND ${ofThisLife} RETURNING ${leaseColumns}`,
      [tenant, step.operation, step.attempt, freeze, forMs],
    );
    if (frozen.rows[0] !== undefined) return { kind: "done", lease: frozen.rows[0] };
    const held = await notDone(client, tenant, step);
    // Asked twice by one try: the first freeze stands.
    return held.kind === "moved-on" && held.lease?.state === "frozen" ? { kind: "done", lease: held.lease } : held;
  });
}

/**
 * Ends a freeze by the word of the try that made it. A tenant that is thawed or given away already is answered as it is.
 * @throws lease-busy
 */
export async function thawLease(system: Pool, tenant: TenantId, step: FreezeStep): Promise<StepOutcome> {
  const thawed = await change(
    system,
    `UPDATE cellplane.leases SET state = 'active', freeze_id = NULL, freeze_deadline = NULL, updated_at = clock_timestamp()
     WHERE tenant_id = $1 AND state = 'frozen' AND operation = $2 AND attempt = $3 AND freeze_id = $4 AND ${ofThisLife} RETURNING ${leaseColumns}`,
    [tenant, step.operation, step.attempt, step.freeze],
  );
  if (thawed !== undefined) return { kind: "done", lease: thawed };
  const held = await notDone(system, tenant, step);
  const over = held.kind === "moved-on" && (held.lease?.state === "active" || held.lease?.state === "released");
  return over ? ({ kind: "done", lease: held.lease } as StepOutcome) : held;
}

/**
 * Gives the tenant away: the one commit of a move. Said again under the same freeze it answers with the record that was stored first.
 * @param epoch the epoch at which the tenant is held; the record is for the next.
 * @param record the release record, signed.
 * @throws lease-busy: a write past the deadline is thawing the tenant.
 */
export async function releaseLease(
  system: Pool,
  tenant: TenantId,
  step: FreezeStep,
  epoch: number,
  record: string,
): Promise<StepOutcome> {
  const released = await change(
    system,
    `UPDATE cellplane.leases SET state = 'released', epoch = epoch + 1, release_record = $6, freeze_deadline = NULL, updated_at = clock_timestamp()
     WHERE tenant_id = $1 AND state = 'frozen' AND operation = $2 AND attempt = $3 AND freeze_id = $4 AND epoch = $5 AND ${ofThisLife}
     RETURNING ${leaseColumns}`,
    [tenant, step.operation, step.attempt, step.freeze, epoch, record],
  );
  if (released !== undefined) return { kind: "done", lease: released };
  const held = await notDone(system, tenant, step);
  const before = held.lease?.state === "released" && held.lease.freeze === step.freeze;
  return before ? ({ kind: "done", lease: held.lease } as StepOutcome) : held;
}

async function change(system: Pool, statement: string, values: readonly unknown[]): Promise<Lease | undefined> {
  const changed = await withinWait(system, lockWaitMs, (client) => client.query<Lease>(statement, [...values]));
  return changed.rows[0];
}
