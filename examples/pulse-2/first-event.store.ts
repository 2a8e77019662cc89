import type { Transaction } from "../../cells/kit/kit.ts";

/** Remembers the oldest event. Only the roll-up writes it, one at a time per tenant, so that requests do not wait for each other's row. */
export async function rememberFirstEvent(tx: Transaction): Promise<void> {
  await tx.query(
    `INSERT INTO first_events AS known (at) SELECT at FROM events ORDER BY at LIMIT 1
     ON CONFLICT (tenant_id) DO UPDATE SET at = excluded.at WHERE excluded.at < known.at`,
  );
}

/** When the tenant's oldest known event happened, null where there is none; events that are not rolled up yet count too. */
export async function firstEventAt(tx: Transaction): Promise<Date | null> {
  const result = await tx.query<{ at: Date | null }>(
    `SELECT least((SELECT at FROM first_events), (SELECT at FROM events ORDER BY at LIMIT 1)) AS at`,
  );
  return result.rows[0]?.at ?? null;
}
