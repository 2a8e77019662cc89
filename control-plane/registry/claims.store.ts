import { finalRolloutStates } from "../../common/contracts/rollout.ts";
import type { CellId, OperationId } from "../../common/ids.ts";
import type { Queryable } from "../../common/postgres/pool.ts";

/** A command that was not heard of for so long has died, and its claims hold nobody up. What it may still do is refused by its token. */
export const commandLapsesSeconds = 90;

export type ClaimMode = "exclusive" | "shared";

export interface Claim {
  readonly cell: CellId;
  readonly mode: ClaimMode;
  readonly operation: OperationId;
  /** Driver and cell keep the highest and refuse lower. */
  readonly token: number;
  /** What the operation is, for who is refused because of it: `rollout`, `cell-restore`, … */
  readonly kind: string;
  readonly requestedBy: string;
  /** Of a rollout. */
  readonly release: string | null;
}

/** Claims on cells, those of operations left out that have ended or died. */
export async function claimsOn(db: Queryable, cells: readonly CellId[]): Promise<Claim[]> {
  const text = `SELECT c.cell, c.mode, c.operation, c.token, o.kind, o.requested_by AS "requestedBy", r.release
    FROM claims c JOIN operations o ON o.id = c.operation
    LEFT JOIN rollouts r ON r.operation = c.operation LEFT JOIN command_operations m ON m.operation = c.operation
    WHERE c.cell = ANY($1) AND (r.state <> ALL($2)
      OR (m.ended_at IS NULL AND (m.relocation IS NOT NULL OR m.heard_at > now() - make_interval(secs => $3))))
    ORDER BY c.cell, c.taken_at`;
  return (await db.query<Claim>(text, [cells, finalRolloutStates, commandLapsesSeconds])).rows;
}

/**
 * Takes cells for an operation. Each token is higher than before and than the cell itself has seen, unless others share the cell already: then it is
 * theirs. The caller holds the cells' rows.
 * @param live claims on these cells that hold, all of them shared
 */
export async function insertClaims(
  tx: Queryable,
  operation: OperationId,
  wish: { readonly cells: readonly CellId[]; readonly mode: ClaimMode; readonly seen: ReadonlyMap<CellId, number> },
  live: readonly Claim[],
): Promise<void> {
  const { cells, mode, seen } = wish;
  const shared = new Set(live.map(({ cell }) => cell));
  const fresh = cells.filter((cell) => !shared.has(cell));
  const raise = `INSERT INTO claim_tokens (cell, token) SELECT cell, seen + 1 FROM unnest($1::text[], $2::bigint[]) AS taken (cell, seen)
    ON CONFLICT (cell) DO UPDATE SET token = greatest(claim_tokens.token + 1, excluded.token)`;
  await tx.query(raise, [fresh, fresh.map((cell) => seen.get(cell) ?? 0)]);
  await tx.query("DELETE FROM claims WHERE cell = ANY($1) AND operation <> ALL($2)", [
    cells,
    live.map((claim) => claim.operation),
  ]);
  const take = `INSERT INTO claims (cell, mode, operation, token)
    SELECT t.cell, $3, $2, t.token FROM claim_tokens t WHERE t.cell = ANY($1)`;
  await tx.query(take, [cells, operation, mode]);
}

/** The token of an operation's claim on a cell; null where it holds none. */
export async function claimToken(db: Queryable, operation: OperationId, cell: CellId): Promise<number | null> {
  const text = "SELECT token FROM claims WHERE operation = $1 AND cell = $2";
  return (await db.query<{ token: number }>(text, [operation, cell])).rows[0]?.token ?? null;
}

/** Raises the token of the operation's claim: whatever still acts with the one before is refused. Null where it holds none. */
export async function raiseClaim(db: Queryable, operation: OperationId, cell: CellId): Promise<number | null> {
  const text = `WITH raised AS (
      UPDATE claim_tokens t SET token = t.token + 1 FROM claims c
      WHERE c.operation = $1 AND c.cell = $2 AND t.cell = c.cell RETURNING t.cell, t.token)
    UPDATE claims c SET token = raised.token FROM raised WHERE c.cell = raised.cell RETURNING c.token`;
  return (await db.query<{ token: number }>(text, [operation, cell])).rows[0]?.token ?? null;
}

/** All that an operation holds. */
export async function claimsOf(db: Queryable, operation: OperationId): Promise<{ cell: CellId; token: number }[]> {
  const text = "SELECT cell, token FROM claims WHERE operation = $1 ORDER BY cell";
  return (await db.query<{ cell: CellId; token: number }>(text, [operation])).rows;
}

export async function deleteClaims(tx: Queryable, operation: OperationId): Promise<void> {
  await tx.query("DELETE FROM claims WHERE operation = $1", [operation]);
}
