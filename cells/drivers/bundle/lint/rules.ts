/** Why a statement of a migration is refused, and what to write instead. */
export interface MigrationRule {
  readonly why: string;
  readonly fix: string;
}

/**
 * What a migration must not say. The first group makes tenants wait, or fails, on a table with rows in use; the second breaks the release that still
 * runs beside, or what the runner relies on; the third lets one tenant reach another or cannot move with one. The live schema is judged again when the
 * migration runs (cells/kit/lint): what is found here is found before anything is stored.
 */
export const migrationRules = {
  "index-blocks": {
    why: "building an index locks the table against writes until it is done",
    fix: 'Give the index a migration of its own that begins with "-- cellplane:concurrently" and says CREATE INDEX CONCURRENTLY IF NOT EXISTS name ON …; a unique constraint then takes it by ADD CONSTRAINT … UNIQUE USING INDEX.',
  },
  "type-rewrite": {
    why: "changing a column's type rewrites the table under a lock that nobody reads or writes through",
    fix: "Add a column of the new type, let both be written, fill it by a job, read it, and drop the old one in a later contract migration.",
  },
  "column-rewrite": {
    why: "a default that is computed for each row, a stored generated column or an identity rewrites the table under a lock",
    fix: "Add the column with a constant default or none, ALTER COLUMN … SET DEFAULT for new rows, and fill the old ones by a job.",
  },
  "column-needs-default": {
    why: "a NOT NULL column without a default cannot be added to rows that are there",
    fix: "Give it a constant default, or add it nullable, fill it by a job, and make it NOT NULL later.",
  },
  "not-null-scan": {
    why: "SET NOT NULL reads the whole table under a lock, unless a validated check has shown it before",
    fix: "Three migrations: ADD CONSTRAINT c CHECK (column IS NOT NULL) NOT VALID; then VALIDATE CONSTRAINT c; then SET NOT NULL.",
  },
  "constraint-scan": {
    why: "adding a constraint reads the whole table under a lock",
    fix: "ADD CONSTRAINT … NOT VALID, and VALIDATE CONSTRAINT in the next migration.",
  },
  "validated-at-once": {
    why: "VALIDATE in the migration that adds the constraint reads the table under the lock that adding it took",
    fix: "Move VALIDATE CONSTRAINT to the next migration.",
  },
  "table-rewrite": {
    why: "it rewrites or locks a whole table",
    fix: "Leave it out; autovacuum does what is needed, and an operator rebuilds an index with REINDEX … CONCURRENTLY.",
  },
  "lock-by-hand": { why: "LOCK TABLE makes tenants wait for the whole migration", fix: "Leave it out." },
  truncate: {
    why: "TRUNCATE knows neither tenants nor the fence, and locks the table",
    fix: "Delete rows by a job, tenant by tenant; drop a table that is no longer read in a contract migration.",
  },
  "data-change": {
    why: "a migration reads and writes no tenant's rows: it belongs to no tenant, and would hold its locks all the while",
    fix: "Fill the rows by a job of each tenant.",
  },
  "drop-in-expand": {
    why: "the release that runs beside still uses what is dropped or renamed, and an expand migration promises that it may",
    fix: "Bring a release that does not use it any more, then drop it in a migration classed contract, in a release of its own. Instead of renaming, add and fill a new one.",
  },
  "expand-in-contract": {
    why: "a contract migration runs after the release that needs what it adds, and cannot be rolled back over",
    fix: "Put what is added into a migration classed expand, in an earlier release.",
  },
  "concurrent-alone": {
    why: "a concurrent build runs outside a transaction and may be interrupted",
    fix: 'Let the file begin with "-- cellplane:concurrently" and hold one statement, CREATE INDEX CONCURRENTLY IF NOT EXISTS name ON … or DROP INDEX CONCURRENTLY IF EXISTS name; no other file builds concurrently.',
  },
  "transaction-control": {
    why: "the runner's transaction makes the migration happen whole or not at all",
    fix: "Leave BEGIN, COMMIT, ROLLBACK and SAVEPOINT out.",
  },
  setting: {
    why: "it changes what the runner has set: time-outs, roles, the search path, whether triggers fire",
    fix: "Leave it out; SET LOCAL of maintenance_work_mem or check_function_bodies is accepted.",
  },
  "unprotected-table": {
    why: "every tenant would see every row of a table that is not protected",
    fix: "Add SELECT cellplane.protect_table('name'); to the migration that makes the table.",
  },
  "key-without-tenant": {
    why: "tenants would share the key, and one could be found out by another",
    fix: "Declare PRIMARY KEY (tenant_id, …), UNIQUE (tenant_id, …) and FOREIGN KEY (tenant_id, …) REFERENCES … (tenant_id, …), with tenant_id uuid NOT NULL.",
  },
  "shared-counter": {
    why: "tenants share a sequence, and a move cannot carry it to another cell",
    fix: "Use id uuid NOT NULL DEFAULT uuidv7().",
  },
  "column-type": {
    why: "a move cannot compare its values, or they mean something else in another cell",
    fix: "Use jsonb instead of json; text for xml and names; numbers for shapes; a UUID instead of an OID.",
  },
  "acts-as-owner": {
    why: "it would read and write with the owner's rights, past the tenant's policy",
    fix: "Leave SECURITY DEFINER out; CREATE VIEW … WITH (security_invoker = true); instead of a materialised view, a table that a job fills.",
  },
  "not-kept": {
    why: "an unlogged or temporary table is not there after a crash, a move or the end of the session",
    fix: "Make an ordinary table; what may be lost belongs in request.tenant.cache.",
  },
  "protection-touched": {
    why: "policies, triggers, owners and grants are made by protect_table and stay as it makes them",
    fix: "Leave it out; a view or function of yours needs GRANT … TO cell_app and nothing else.",
  },
  "kits-schema": {
    why: "an application's objects lie in the schema public; cellplane is the kit's",
    fix: "Name the object without a schema.",
  },
  unreadable: {
    why: "what a DO block runs cannot be read before it runs",
    fix: "Write the statements out.",
  },
  "statement-unknown": {
    why: "migrations make and change tables, indexes, types, functions, triggers and views, and this is none of them",
    fix: "Leave it out, or say it with one of those.",
  },
} as const satisfies Readonly<Record<string, MigrationRule>>;

export type MigrationRuleName = keyof typeof migrationRules;

/** A statement that a rule refuses. */
export interface MigrationFinding {
  readonly rule: MigrationRuleName;
  /** Series and file, e.g. `app/0002-pinned.expand.sql`. */
  readonly file: string;
  /** Line on which the statement begins, from 1. */
  readonly line: number;
  /** What of the statement, e.g. the table. */
  readonly what: string;
}

/** A finding in one line: where, what, why, and the fix. */
export function migrationFindingText({ rule, file, line, what }: MigrationFinding): string {
  const { why, fix } = migrationRules[rule];
  return `${file}:${line} ${what}: ${why}. Fix: ${fix}`;
}
