import type { TenantId } from "../../../../common/ids.ts";
import { sqlState, type Client } from "../../../../common/postgres/pool.ts";

// One tenant's rows, from a restored database into a live one. Both are asked as the superuser: the rows of one tenant are named in every statement, and
// the fence, which knows no tenant here, is replaced by the tenant's own lock and by its lease, compared and set in the same transaction.

/** Rows that travel at once; a row of Pulse is some hundred bytes. */
const batch = 1_000;
/** How long a tenant stays frozen if whoever froze it dies. The exchange itself takes a moment: its rows lie in the same database already. */
const freezeSeconds = 60;
/** Writers under way are waited for this long; new ones queue behind, so it is short, and tried again. */
const lockWaitMs = 250;

/** A tenant's table with the columns that can be written. */
export interface RowTable {
  /** Quoted, with its schema. */
  readonly name: string;
  readonly isApplications: boolean;
  readonly columns: readonly string[];
}

export async function rowTables(client: Client): Promise<RowTable[]> {
  const result = await client.query<RowTable>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name, n.nspname = 'public' AS "isApplications",
       (SELECT json_agg(quote_ident(a.attname) ORDER BY a.attnum) FROM pg_attribute a
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns
     FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE t.tgname = 'cellplane_fence' AND NOT t.tgisinternal AND c.relkind IN ('r', 'p') ORDER BY 1`,
  );
  return result.rows;
}

/** Each table with the temporary table that has its rows; null for a table that did not exist at the moment restored. */
export type Stages = ReadonlyMap<RowTable, string | null>;

/** What a table holds of a tenant: how many rows, and the XOR of their hashes over the given columns, the tenant's id aside. */
export interface RowSum {
  readonly rows: number;
  readonly hash: string;
}

async function sumOf(client: Client, from: string, columns: readonly string[], tenant: TenantId): Promise<RowSum> {
  const compared = columns.filter((column) => column !== "tenant_id").map((column) => `t.${column}`);
  const row = compared.length === 0 ? "''" : `jsonb_build_array(${compared.join(", ")})::text`;
  const result = await client.query<RowSum>(
    `SELECT count(*) AS rows, coalesce(bit_xor(hashtextextended(${row}, 0)), 0)::text AS hash FROM ${from} t WHERE t.tenant_id = $1`,
    [tenant],
  );
  return result.rows[0] ?? { rows: 0, hash: "0" };
}

/**
 * Brings a tenant's rows of one table from a restored database into a temporary table of the live connection, under the tenant's id there, and compares both sums.
 * Rows travel as JSON texts that PostgreSQL itself writes and reads, so that no number or time passes through JavaScript.
 * @param stage name of the temporary table, made here
 * @throws Error when what arrived is not what was sent
 */
export async function stageRows(
  from: { readonly client: Client; readonly tenant: TenantId },
  to: { readonly client: Client; readonly tenant: TenantId },
  table: RowTable,
  stage: string,
): Promise<RowSum> {
  const columns = table.columns.join(", ");
  await to.client.query(`CREATE TEMPORARY TABLE ${stage} AS SELECT ${columns} FROM ${table.name} WHERE false`);
  await from.client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  try {
    await from.client.query(
      `DECLARE rows_of_tenant NO SCROLL CURSOR FOR SELECT to_jsonb(t)::text AS row FROM (SELECT ${columns} FROM ${table.name} WHERE tenant_id = '${from.tenant}') t`,
    );
    for (;;) {
      const { rows } = await from.client.query<{ row: string }>(`FETCH ${batch} FROM rows_of_tenant`);
      if (rows.length === 0) break;
      await to.client.query(
        `INSERT INTO ${stage} (${columns}) SELECT ${table.columns.map((column) => (column === "tenant_id" ? "$2::uuid" : column)).join(", ")}
         FROM unnest($1::text[]) AS given (row), jsonb_populate_record(NULL::${table.name}, given.row::jsonb)`,
        [rows.map(({ row }) => row), to.tenant],
      );
    }
    const sent = await sumOf(from.client, table.name, table.columns, from.tenant);
    const arrived = await sumOf(to.client, `pg_temp.${stage}`, table.columns, to.tenant);
    if (sent.rows !== arrived.rows || sent.hash !== arrived.hash)
      throw new Error(`${table.name}: ${sent.rows} rows were sent, and what arrived differs`);
    return sent;
  } finally {
    await from.client.query("ROLLBACK");
  }
}

/**
 * Stops the tenant's writes, for whoever holds the lease at that epoch. It outranks a move under way, whose next step is then refused.
 * @returns false when the lease is not active at that epoch, or writers did not let go.
 */
export async function freezeForRestore(
  client: Client,
  tenant: TenantId,
  epoch: number,
  freeze: { readonly id: string; readonly operation: string },
): Promise<boolean> {
  await client.query("BEGIN");
  try {
    await client.query(`SET LOCAL lock_timeout = ${lockWaitMs}`);
    await client.query("SELECT pg_advisory_xact_lock(cellplane.lock_key($1))", [tenant]);
    const frozen = await client.query(
      `UPDATE cellplane.leases l SET state = 'frozen', operation = $4, attempt = attempt + 1, freeze_id = $3,
         freeze_deadline = clock_timestamp() + make_interval(secs => ${freezeSeconds}), updated_at = clock_timestamp()
       FROM cellplane.cell c WHERE tenant_id = $1 AND state = 'active' AND epoch = $2 AND l.incarnation = c.incarnation`,
      [tenant, epoch, freeze.id, freeze.operation],
    );
    await client.query("COMMIT");
    return frozen.rowCount === 1;
  } catch (error) {
    await client.query("ROLLBACK");
    // lock_not_available
    if (sqlState(error) === "55P03") return false;
    throw error;
  }
}

/** Gives a tenant back to itself, where the restore came to nothing. */
export async function thawAfterRestore(client: Client, tenant: TenantId, freezeId: string): Promise<void> {
  await client.query(
    `UPDATE cellplane.leases SET state = 'active', freeze_id = NULL, freeze_deadline = NULL, updated_at = clock_timestamp()
     WHERE tenant_id = $1 AND state = 'frozen' AND freeze_id = $2`,
    [tenant, freezeId],
  );
}

/**
 * Exchanges a frozen tenant's rows for the staged ones and grants it its next epoch, all or nothing. Rollups go out again at the new epoch, so that the
 * aggregator forgets what has been undone.
 * @returns the new epoch; null when the freeze ended meanwhile, and nothing was changed.
 */
export async function exchangeRows(
  client: Client,
  tenant: TenantId,
  epoch: number,
  freezeId: string,
  stages: Stages,
): Promise<number | null> {
  await client.query("BEGIN");
  try {
    await client.query("SET LOCAL session_replication_role = replica");
    await client.query("SELECT pg_advisory_xact_lock(cellplane.lock_key($1))", [tenant]);
    await replaceRows(client, tenant, epoch + 1, stages);
    const granted = await client.query(
      `UPDATE cellplane.leases SET state = 'active', epoch = epoch + 1, operation = NULL, freeze_id = NULL, freeze_deadline = NULL, updated_at = clock_timestamp()
       WHERE tenant_id = $1 AND state = 'frozen' AND epoch = $2 AND freeze_id = $3`,
      [tenant, epoch, freezeId],
    );
    await client.query(granted.rowCount === 1 ? "COMMIT" : "ROLLBACK");
    return granted.rowCount === 1 ? epoch + 1 : null;
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  }
}

async function replaceRows(client: Client, tenant: TenantId, epoch: number, stages: Stages): Promise<void> {
  for (const [{ name, columns }, stage] of stages) {
    await client.query(`DELETE FROM ${name} WHERE tenant_id = $1`, [tenant]);
    if (stage !== null) await client.query(insertion(name, columns, stage));
  }
  await client.query("UPDATE cellplane.rollups SET epoch = $2, shipment = NULL WHERE tenant_id = $1", [tenant, epoch]);
}

/** The import under which a tenant's rows are written into another cell. */
export interface ImportStep {
  readonly operation: string;
  readonly attempt: number;
  /** At which the cell will own the tenant. */
  readonly epoch: number;
}

/**
 * Writes the staged rows of a tenant that the cell is about to take, in the place of whatever an earlier try or an earlier stay left, all or nothing.
 * @returns false when another attempt has the import, or it was given up; nothing was changed.
 */
export async function fillImport(
  client: Client,
  tenant: TenantId,
  { operation, attempt, epoch }: ImportStep,
  stages: Stages,
): Promise<boolean> {
  await client.query("BEGIN");
  try {
    await client.query("SET LOCAL session_replication_role = replica");
    await client.query("SELECT pg_advisory_xact_lock(cellplane.lock_key($1))", [tenant]);
    const lease = await client.query(
      `SELECT FROM cellplane.leases l JOIN cellplane.cell c ON c.incarnation = l.incarnation
       WHERE l.tenant_id = $1 AND l.state = 'importing' AND l.operation = $2 AND l.attempt = $3 AND l.epoch = $4 FOR SHARE OF l`,
      [tenant, operation, attempt, epoch],
    );
    const held = lease.rowCount === 1;
    if (held) await replaceRows(client, tenant, epoch, stages);
    await client.query(held ? "COMMIT" : "ROLLBACK");
    return held;
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  }
}

/**
 * Gives a new tenant the staged rows, all or nothing.
 * @returns false when the tenant has rows of its own already, or is not owned here.
 */
export async function fillTenant(client: Client, tenant: TenantId, stages: Stages): Promise<boolean> {
  await client.query("BEGIN");
  try {
    await client.query("SET LOCAL session_replication_role = replica");
    await client.query("SELECT pg_advisory_xact_lock(cellplane.lock_key($1))", [tenant]);
    const lease = await client.query(
      "SELECT FROM cellplane.leases WHERE tenant_id = $1 AND state = 'active' FOR SHARE",
      [tenant],
    );
    let isEmpty = lease.rowCount === 1;
    for (const [{ name, columns }, stage] of stages) {
      const there = await client.query(`SELECT FROM ${name} WHERE tenant_id = $1 LIMIT 1`, [tenant]);
      isEmpty &&= there.rowCount === 0;
      if (isEmpty && stage !== null) await client.query(insertion(name, columns, stage));
    }
    await client.query(isEmpty ? "COMMIT" : "ROLLBACK");
    return isEmpty;
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  }
}

function insertion(table: string, columns: readonly string[], stage: string): string {
  const list = columns.join(", ");
  return `INSERT INTO ${table} (${list}) SELECT ${list} FROM pg_temp.${stage}`;
}
