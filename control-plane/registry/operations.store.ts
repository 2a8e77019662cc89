import { finalRolloutStates } from "../../common/contracts/rollout.ts";
import type { OpenOperation } from "../../common/contracts/claims.ts";
import type { OperationId } from "../../common/ids.ts";
import type { Queryable } from "../../common/postgres/pool.ts";
import { commandLapsesSeconds } from "./claims.store.ts";

interface Row extends Omit<OpenOperation, "createdAt"> {
  readonly createdAt: Date;
}

/** Operations that have not ended, oldest first, with the cells that each holds. */
export async function openOperations(db: Queryable): Promise<OpenOperation[]> {
  const text = `SELECT o.id, o.kind, o.requested_by AS "requestedBy", o.created_at AS "createdAt", r.release, r.state,
      CASE WHEN m.operation IS NULL THEN NULL ELSE m.heard_at > now() - make_interval(secs => $2) END AS "isHeard",
      ARRAY(SELECT c.cell FROM claims c WHERE c.operation = o.id ORDER BY c.cell) AS cells
    FROM operations o LEFT JOIN rollouts r ON r.operation = o.id LEFT JOIN command_operations m ON m.operation = o.id
    WHERE r.state <> ALL($1) OR (m.operation IS NOT NULL AND m.ended_at IS NULL) ORDER BY o.created_at, o.id`;
  const { rows } = await db.query<Row>(text, [finalRolloutStates, commandLapsesSeconds]);
  return rows.map((row) => ({ ...row, createdAt: row.createdAt.toISOString() }));
}

/** What an operation is; null where there is none. */
export async function operationKind(db: Queryable, id: OperationId): Promise<string | null> {
  const { rows } = await db.query<{ kind: string }>("SELECT kind FROM operations WHERE id = $1", [id]);
  return rows[0]?.kind ?? null;
}
