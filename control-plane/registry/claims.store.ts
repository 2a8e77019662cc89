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

/**
 * Takes cells exclusively, each at a higher token than before and than the cell itself has seen. The caller holds the cells' rows and has seen no
 * other claim.
 */
export async function insertClaims(
  tx: Queryable,
  operation: OperationId,
  cells: readonly CellId[],
  seen: ReadonlyMap<CellId, number>,
): Promise<void> {
  const raise = `INSERT INTO claim_tokens (cell, token) SELECT cell, seen + 1 FROM unnest($1::text[], $2::bigint[]) AS taken (cell, seen)
    ON CONFLICT (cell) DO UPDATE SET token = greatest(claim_tokens.token + 1, excluded.token)`;
  await tx.query(raise, [cells, cells.map((cell) => seen.get(cell) ?? 0)]);
  await tx.query("DELETE FROM claims WHERE cell = ANY($1)", [cells]);
  const take = `INSERT INTO claims (cell, mode, operation, token)
    SELECT t.cell, 'exclusive', $2, t.token FROM claim_tokens t WHERE t.cell = ANY($1)`;
  await tx.query(take, [cells, operation]);
}

/** The token of an operation's claim on a cell; null where it holds none. */
export async function claimToken(db: Queryable, operation: OperationId, cell: CellId): Promise<number | null> {
  const text = "SELECT token FROM claims WHERE operation = $1 AND cell = $2";
  return (await db.query<{ token: number }>(text, [operation, cell])).rows[0]?.token ?? null;
}

export async function deleteClaims(tx: Queryable, operation: OperationId): Promise<void> {
  await tx.query("DELETE FROM claims WHERE operation = $1", [operation]);
}
