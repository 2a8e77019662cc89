import type { Client } from "../../common/postgres/pool.ts";

/** How a write may be bound to its tenant's lease. `advisory` is the kit's own fence on its own table; the others are made here beside it. */
export const variants = ["advisory", "row", "none"] as const;
export type Variant = (typeof variants)[number];

const tables = { advisory: "notes", row: "notes_row", none: "notes_none" } as const;
export const insertInto = (variant: Variant): string =>
  `INSERT INTO ${tables[variant]} (note) VALUES ('a note of some length')`;

/** The alternatives: the same table and policies without a fence, and with one that locks the lease's row FOR SHARE. */
export async function makeAlternatives(owner: Client): Promise<void> {
  for (const table of [tables.row, tables.none])
    await owner.query(
      `CREATE TABLE public.${table} (tenant_id uuid NOT NULL, id uuid NOT NULL DEFAULT uuidv7(), note text NOT NULL, PRIMARY KEY (tenant_id, id));
       SELECT cellplane.protect_table('public.${table}');
       DROP TRIGGER cellplane_fence ON public.${table}`,
    );
  await owner.query(
    `CREATE FUNCTION cellplane.fence_by_row() RETURNS trigger LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
     DECLARE held record;
     BEGIN
       SELECT l.state, l.epoch INTO held FROM cellplane.leases l WHERE l.tenant_id = cellplane.tenant() FOR SHARE;
       IF held.state IS DISTINCT FROM 'active' OR held.epoch <> current_setting('cellplane.epoch')::bigint THEN
         RAISE EXCEPTION USING ERRCODE = 'CPL02', MESSAGE = 'the tenant is frozen';
       END IF;
       RETURN NULL;
     END $$;
     CREATE TRIGGER cellplane_fence BEFORE INSERT OR UPDATE OR DELETE ON public.${tables.row} FOR EACH STATEMENT EXECUTE FUNCTION cellplane.fence_by_row()`,
  );
}

/** The kit takes the lock and reads the lease where a write begins; the others look at the lease there too, as a read does. */
const heads = { advisory: "cellplane.enter_write", row: "cellplane.enter", none: "cellplane.enter" } as const;

/** One write: the head, the statement, the end. */
export async function write(app: Client, tenant: string, variant: Variant, holdSeconds = 0): Promise<void> {
  await app.query(`BEGIN; SELECT ${heads[variant]}('${tenant}', NULL)`);
  await app.query(insertInto(variant));
  if (holdSeconds > 0) await app.query(`SELECT pg_sleep(${holdSeconds})`);
  await app.query("COMMIT");
}

const locks = {
  advisory: "SELECT pg_advisory_xact_lock(cellplane.lock_key($1))",
  row: "SELECT FROM cellplane.leases WHERE tenant_id = $1 FOR UPDATE",
} as const;

/** Waits for the writers as a freeze does, and lets them go on. @returns whether it got through within the wait. */
export async function freezeOnce(
  system: Client,
  tenant: string,
  variant: "advisory" | "row",
  waitMs: number,
): Promise<boolean> {
  await system.query(`BEGIN; SET LOCAL lock_timeout = ${waitMs}`);
  try {
    await system.query(locks[variant], [tenant]);
    return true;
  } catch (error) {
    if ((error as { readonly code?: string }).code !== "55P03") throw error;
    return false;
  } finally {
    await system.query("ROLLBACK");
  }
}

export async function countNotes(owner: Client): Promise<number> {
  const counts = await owner.query<{ rows: number }>(
    `SELECT (SELECT count(*) FROM notes) + (SELECT count(*) FROM notes_row) + (SELECT count(*) FROM notes_none) AS rows`,
  );
  return counts.rows[0]?.rows ?? 0;
}

/** What is measured is the statements' work, not the disk's: the same for all, and their difference drowns in it. */
export async function withoutWaitingForDisk(app: Client): Promise<void> {
  await app.query("SET synchronous_commit = off");
}

/** The server's process behind a connection. */
export async function backendOf(client: Client): Promise<number> {
  const found = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  return found.rows[0]?.pid ?? 0;
}
