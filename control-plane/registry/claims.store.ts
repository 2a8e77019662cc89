import { finalRolloutStates } from "../../common/contracts/rollout.ts";
import type { CellId, OperationId } from "../../common/ids.ts";
import type { Queryable } from "../../common/postgres/pool.ts";

export interface Claim {
  readonly cell: CellId;
  readonly mode: "exclusive" | "shared";
  readonly operation: OperationId;
  /** Driver and cell keep the highest and refuse lower. */
  readonly token: number;
}

/** Claims on cells, those of ended operations left out. */
export async function claimsOn(db: Queryable, cells: readonly CellId[]): Promise<Claim[]> {
  const text = `SELECT c.cell, c.mode, c.operation, c.token FROM claims c JOIN rollouts r ON r.operation = c.operation
    WHERE c.cell = ANY($1) AND r.state <> ALL($2) ORDER BY c.cell`;
  return (await db.query<Claim>(text, [cells, finalRolloutStates])).rows;
}

/** Takes cells exclusively, each at a higher token than before. The caller holds the cells' rows and has seen no other claim. */
export async function insertClaims(tx: Queryable, operation: OperationId, cells: readonly CellId[]): Promise<void> {
  const raise = `INSERT INTO claim_tokens (cell, token) SELECT unnest($1::text[]), 1
    ON CONFLICT (cell) DO UPDATE SET token = claim_tokens.token + 1`;
  await tx.query(raise, [cells]);
  await tx.query("DELETE FROM claims WHERE cell = ANY($1)", [cells]);
  const take = `INSERT INTO claims (cell, mode, operation, token)
    SELECT t.cell, 'exclusive', $2, t.token FROM claim_tokens t WHERE t.cell = ANY($1)`;
  await tx.query(take, [cells, operation]);
}

export async function deleteClaims(tx: Queryable, operation: OperationId): Promise<void> {
  await tx.query("DELETE FROM claims WHERE operation = $1", [operation]);
}
