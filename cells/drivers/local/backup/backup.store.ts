import { sqlState, type Client } from "../../../../common/postgres/pool.ts";

// What a driver may know of a cell's database beside the server itself: the row `cellplane.cell`, the leases, and that tenants' tables are those
// with the fence. All of it has been so since the kit's first migration, and stays.

export interface ServerFacts {
  readonly serverVersion: number;
  readonly segmentBytes: number;
  readonly archiving: boolean;
}

export async function serverFacts(client: Client): Promise<ServerFacts> {
  const result = await client.query<ServerFacts>(
    `SELECT current_setting('server_version_num')::int AS "serverVersion", current_setting('archive_mode') = 'on' AS archiving,
       (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size') AS "segmentBytes"`,
  );
  return only(result.rows);
}

export interface BackupPoint {
  readonly lsn: string;
  /** The segment that holds it. */
  readonly segment: string;
}

/** Begins a base backup; it lasts while this connection does. */
export async function startBackup(client: Client, label: string): Promise<BackupPoint> {
  const result = await client.query<BackupPoint>(
    `SELECT lsn::text, pg_walfile_name(lsn) AS segment FROM pg_backup_start($1, fast => true) AS lsn`,
    [label],
  );
  return only(result.rows);
}

/** How long the last segment of a backup may take to be archived; a failing archive would keep us for ever. */
const archivedWithinMs = 120_000;

/** Ends the backup and waits until all of its WAL is archived. */
export async function stopBackup(client: Client): Promise<BackupPoint & { readonly label: string }> {
  await client.query(`SET statement_timeout = ${archivedWithinMs}`);
  const result = await client.query<BackupPoint & { label: string; map: string }>(
    // The segment that ends right before the LSN holds all of it.
    `SELECT lsn::text, pg_walfile_name(lsn - 1) AS segment, labelfile AS label, spcmapfile AS map FROM pg_backup_stop(wait_for_archive => true)`,
  );
  const { map, ...point } = only(result.rows);
  if (map.trim() !== "") throw new Error("a cell's database has no tablespaces");
  return point;
}

/**
 * Ends the segment that is being written, with a commit at its end, at which a recovery to any moment before can stop.
 * @returns the segment, which is archived next
 */
export async function sealWal(client: Client): Promise<string> {
  await client.query("SELECT pg_current_xact_id()");
  const result = await client.query<{ segment: string }>("SELECT pg_walfile_name(pg_switch_wal() - 1) AS segment");
  return only(result.rows).segment;
}

/** When the newest transaction was committed, to the microsecond; null where no commit has a time. */
export async function newestCommit(client: Client): Promise<string | null> {
  const result = await client.query<{ at: string | null }>(
    `SELECT to_char(timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at FROM pg_last_committed_xact()`,
  );
  return result.rows[0]?.at ?? null;
}

/** A lease as a restored database has it. */
export interface RestoredLease {
  readonly tenant: string;
  readonly slug: string;
  readonly state: string;
  readonly epoch: number;
  readonly synthetic: boolean;
}

/** Empty for a database that no kit has migrated. */
export async function restoredLeases(client: Client): Promise<RestoredLease[]> {
  if (!(await hasKit(client))) return [];
  const result = await client.query<RestoredLease>(
    `SELECT tenant_id AS tenant, slug, state, epoch, synthetic FROM cellplane.leases ORDER BY slug`,
  );
  return result.rows;
}

async function hasKit(client: Client): Promise<boolean> {
  const result = await client.query<{ there: boolean }>("SELECT to_regclass('cellplane.leases') IS NOT NULL AS there");
  return only(result.rows).there;
}

/** A table whose rows belong to tenants. */
export interface TenantTable {
  /** Quoted, with its schema. */
  readonly name: string;
  /** Whether it is the application's; the kit's own hold jobs and bookkeeping. */
  readonly isApplications: boolean;
}

export async function tenantTables(client: Client): Promise<TenantTable[]> {
  const result = await client.query<TenantTable>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name, n.nspname = 'public' AS "isApplications"
     FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE t.tgname = 'cellplane_fence' AND NOT t.tgisinternal AND c.relkind IN ('r', 'p') ORDER BY 1`,
  );
  return result.rows;
}

/** What a database holds of a tenant. */
export interface TenantMark {
  readonly tenant: string;
  /** Rows in the application's tables. */
  readonly rows: number;
  /** Those of them that were written after `after`. */
  readonly rowsSince: number;
  /** Those that were written after `after` and not after `until`. */
  readonly rowsBetween: number;
  /** When the newest row that is not after `until` was written; null where no row's commit has a time. */
  readonly lastWriteAt: Date | null;
}

/** Moments, to the microsecond; null is no bound. */
export interface Span {
  readonly after: string | null;
  readonly until: string | null;
}

/**
 * Reads every row of the application's tables: per tenant how many there are, and when the newest was committed. (Reading a page also proves its checksum.)
 */
export async function tenantMarks(client: Client, { after, until }: Span): Promise<TenantMark[]> {
  const tables = (await tenantTables(client)).filter(({ isApplications }) => isApplications);
  if (tables.length === 0) return [];
  const each = tables.map(({ name }) => `SELECT tenant_id, xmin FROM ${name}`).join(" UNION ALL ");
  const time = "CASE WHEN current_setting('track_commit_timestamp') = 'on' THEN pg_xact_commit_timestamp(xmin) END";
  const result = await client.query<TenantMark>(
    `SELECT tenant_id AS tenant, count(*) AS rows, count(*) FILTER (WHERE at > $1::timestamptz) AS "rowsSince",
       count(*) FILTER (WHERE at > $1::timestamptz AND at <= $2::timestamptz) AS "rowsBetween", max(at) FILTER (WHERE at <= $2::timestamptz) AS "lastWriteAt"
     FROM (SELECT tenant_id, ${time} AS at FROM (${each}) AS every) AS timed GROUP BY tenant_id ORDER BY tenant_id`,
    [after, until ?? "infinity"],
  );
  return result.rows;
}

/**
 * Checks every B-tree against its table, and tenants' tables page by page, with PostgreSQL's own amcheck, and leaves no trace of it.
 * @returns how many indexes were checked; 0 where the server has no amcheck.
 * @throws the database's error for an index that is corrupt, Error for a table that is.
 */
export async function checkStructure(client: Client): Promise<number> {
  await client.query("BEGIN");
  try {
    await client.query("CREATE EXTENSION amcheck");
    const indexes = await client.query(
      `SELECT bt_index_check(i.indexrelid, heapallindexed => true) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
       JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'btree' AND c.relpersistence = 'p' AND c.relkind = 'i' AND i.indisready AND i.indisvalid`,
    );
    const tables = await client.query<{ name: string; message: string }>(
      `SELECT c.relname AS name, found.msg AS message FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
       CROSS JOIN LATERAL verify_heapam(c.oid) AS found WHERE t.tgname = 'cellplane_fence' AND c.relkind = 'r' LIMIT 1`,
    );
    const corrupt = tables.rows[0];
    if (corrupt !== undefined) throw new Error(`the table ${corrupt.name} is corrupt: ${corrupt.message}`);
    return indexes.rowCount ?? 0;
  } catch (error) {
    // undefined_file: a server without the extension.
    if (sqlState(error) === "58P01" || sqlState(error) === "0A000") return 0;
    throw error;
  } finally {
    await client.query("ROLLBACK");
  }
}

/** What another life of a cell's database has from the one before, beside its rows. */
export interface NextLife {
  readonly incarnation: string;
  /** The slot that is live now; the restored row may name one that is empty by now. */
  readonly liveSlot: string;
  /** The highest claim token that is known to have been seen. */
  readonly claimToken: number;
}

/**
 * Begins another life of a restored database: no lease belongs to it until the registry says so, and what was shipped in the life before is
 * shipped again, counted anew. A database that no kit has migrated has nothing to confuse.
 */
export async function beginNextLife(client: Client, next: NextLife): Promise<void> {
  if (!(await hasKit(client))) return;
  await client.query("BEGIN");
  // Past the fence: these columns are the kit's, and no tenant is set here.
  await client.query("SET LOCAL session_replication_role = replica");
  await client.query(
    "UPDATE cellplane.cell SET incarnation = $1, live_slot = $2, claim_token = greatest(claim_token, $3), shipment = 0",
    [next.incarnation, next.liveSlot, next.claimToken],
  );
  await client.query("UPDATE cellplane.rollups SET shipment = NULL WHERE shipment IS NOT NULL");
  await client.query("COMMIT");
}

/** The highest claim token that a database has seen; 0 where no kit has migrated it. */
export async function claimTokenOf(client: Client): Promise<number> {
  if (!(await hasKit(client))) return 0;
  return only((await client.query<{ token: number }>("SELECT claim_token AS token FROM cellplane.cell")).rows).token;
}

function only<Row>(rows: readonly Row[]): Row {
  const [row] = rows;
  if (row === undefined) throw new Error("the database answered nothing");
  return row;
}
