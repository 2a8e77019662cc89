import { finalRolloutStates, type Rollout, type Standing } from "../../common/contracts/rollout.ts";
import type { OperationId } from "../../common/ids.ts";
import type { Queryable } from "../../common/postgres/pool.ts";

/** A call to Temporal may be waited for this long while the operation is locked. */
const startPatience = "30s";

interface Row {
  readonly document: Rollout;
}

/** How many entries a rollout's history has, and where they left it. */
export interface KnownStanding {
  readonly entries: number;
  readonly standing: Standing;
}

/** Writes the operation and its rollout. Fails on a second open rollout of the application (SQLSTATE 23505). */
export async function insertRollout(tx: Queryable, rollout: Rollout): Promise<void> {
  const operation = "INSERT INTO operations (id, kind, application, requested_by) VALUES ($1, 'rollout', $2, $3)";
  await tx.query(operation, [rollout.id, rollout.application, rollout.requestedBy]);
  const text =
    "INSERT INTO rollouts (operation, application, release, state, revision, document) VALUES ($1, $2, $3, $4, $5, $6)";
  await tx.query(text, [
    rollout.id,
    rollout.application,
    rollout.release,
    rollout.state,
    rollout.revision,
    JSON.stringify(rollout),
  ]);
}

/**
 * Writes the rollout as it is now. What has ended stays as it ended.
 * @returns false where the registry has this revision or a newer one, or the rollout has ended.
 */
export async function updateRollout(tx: Queryable, rollout: Rollout): Promise<boolean> {
  const text = `UPDATE rollouts SET state = $2, revision = $3, document = $4
    WHERE operation = $1 AND revision < $3 AND (state <> ALL($5) OR state = $2)`;
  const values = [rollout.id, rollout.state, rollout.revision, JSON.stringify(rollout), finalRolloutStates];
  return (await tx.query(text, values)).rowCount === 1;
}

/** What was told of a rollout before, kept from changing until the transaction ends; null where there is none. */
export async function lockStanding(tx: Queryable, id: OperationId): Promise<KnownStanding | null> {
  const text = `SELECT jsonb_array_length(document->'history') AS entries,
      jsonb_build_object('state', document->'state', 'waitingFor', document->'waitingFor', 'paused', document->'paused',
        'stopped', coalesce(document->'stopped', 'false')) AS standing
    FROM rollouts WHERE operation = $1 FOR UPDATE`;
  return (await tx.query<KnownStanding>(text, [id])).rows[0] ?? null;
}

export async function findRollout(db: Queryable, id: OperationId): Promise<Rollout | null> {
  return (await db.query<Row>("SELECT document FROM rollouts WHERE operation = $1", [id])).rows[0]?.document ?? null;
}

/** Latest first. Ids are UUIDv7 and sort by time. */
export async function listRollouts(db: Queryable, limit: number): Promise<Rollout[]> {
  const { rows } = await db.query<Row>(
    "SELECT document FROM rollouts ORDER BY created_at DESC, operation DESC LIMIT $1",
    [limit],
  );
  return rows.map(({ document }) => document);
}

/** The one open rollout of an application. */
export async function openRollout(db: Queryable, application: string): Promise<Rollout | null> {
  const text = "SELECT document FROM rollouts WHERE application = $1 AND state <> ALL($2)";
  return (await db.query<Row>(text, [application, finalRolloutStates])).rows[0]?.document ?? null;
}

/** Open rollouts whose workflow nobody has seen running yet. */
export async function rolloutsToStart(db: Queryable, limit: number): Promise<Rollout[]> {
  const text = `SELECT r.document FROM rollouts r JOIN operations o ON o.id = r.operation
    WHERE o.started_at IS NULL AND r.state <> ALL($2) ORDER BY o.id LIMIT $1`;
  return (await db.query<Row>(text, [limit, finalRolloutStates])).rows.map(({ document }) => document);
}

/** Running rollouts that have not said yet whether they have stopped with the line. */
export async function rolloutsUnawareOf(db: Queryable, stopped: boolean): Promise<Rollout[]> {
  const text = `SELECT r.document FROM rollouts r JOIN operations o ON o.id = r.operation
    WHERE o.started_at IS NOT NULL AND r.state <> ALL($1) AND coalesce((r.document->>'stopped')::boolean, false) <> $2`;
  return (await db.query<Row>(text, [finalRolloutStates, stopped])).rows.map(({ document }) => document);
}

/** Locks the operation, for longer than a transaction may usually stand idle, and says whether its workflow was seen running. */
export async function lockStart(tx: Queryable, id: OperationId): Promise<boolean> {
  await tx.query(`SET LOCAL idle_in_transaction_session_timeout = '${startPatience}'`);
  const { rows } = await tx.query<{ started: boolean }>(
    "SELECT started_at IS NOT NULL AS started FROM operations WHERE id = $1 FOR UPDATE",
    [id],
  );
  return rows[0]?.started ?? false;
}

export async function markStarted(db: Queryable, id: OperationId): Promise<void> {
  await db.query("UPDATE operations SET started_at = now() WHERE id = $1 AND started_at IS NULL", [id]);
}
