import type { TenantLoss } from "../../../common/contracts/restores.ts";

export const lossHeads = ["TENANT", "ROWS", "ROWS LOST", "LAST WRITE", "SECONDS LOST"] as const;

/** What a restore gave and cost each tenant, as rows of a table. */
export function lossRows(tenants: readonly TenantLoss[]): (string | number | null)[][] {
  return tenants.map(({ tenant, slug, rows, lostRows, lastWriteAt, lostSeconds }) => [
    slug ?? tenant,
    rows,
    lostRows ?? "unknown",
    lastWriteAt,
    lostRows === null ? `at most ${lostSeconds.toFixed(1)}` : lostSeconds.toFixed(1),
  ]);
}
