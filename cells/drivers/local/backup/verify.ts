import type { Clock } from "../../../../common/clock.ts";
import { connect } from "../../../../common/postgres/pool.ts";
import { checkStructure, restoredLeases, tenantMarks, type RestoredLease, type TenantMark } from "./backup.store.ts";
import type { BesideDatabase } from "./beside.ts";
import type { Verification } from "./records.ts";

/** What a restored database holds. */
export interface Contents {
  readonly leases: readonly RestoredLease[];
  readonly marks: readonly TenantMark[];
  readonly indexes: number;
}

/**
 * Reads a restored database as a whole: every lease, every row of the application's tables (and with it every page's checksum), every index against its
 * table.
 * @throws the database's own error for what is damaged
 */
export async function inspect(beside: BesideDatabase): Promise<Contents> {
  const client = await connect(beside.url("cell"), "restore-check");
  try {
    const leases = await restoredLeases(client);
    const marks = await tenantMarks(client, { after: null, until: null });
    return { leases, marks, indexes: await checkStructure(client) };
  } finally {
    await client.end();
  }
}

/** What is written beside a base about it. */
export function verificationOf(beside: BesideDatabase, contents: Contents, clock: Clock): Verification {
  return {
    at: new Date(clock.now()).toISOString(),
    through: beside.through,
    leases: contents.leases.length,
    tenants: contents.marks.length,
    rows: contents.marks.reduce((total, { rows }) => total + rows, 0),
    indexes: contents.indexes,
    restoreMs: beside.restoreMs,
  };
}
