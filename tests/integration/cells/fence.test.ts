import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { grantLease } from "../../../cells/kit/lease.store.ts";
import { freezeLease, takeAttempt } from "../../../cells/kit/lease-owner.store.ts";
import { TenantDatabase } from "../../../cells/kit/tenant.store.ts";
import { operationId, tenantId, type TenantId } from "../../../common/ids.ts";
import { createLog } from "../../../common/log.ts";
import { connect, createPool, sqlState, type Client, type Pool } from "../../../common/postgres/pool.ts";
import { uuidv7 } from "../../../common/uuid.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { LeaseCell } from "./lease-bed.ts";

// What stands between a tenant's statements and everybody else's rows, tried with raw SQL: as the application's role, and through the kit.
let postgres: TestPostgres;
let cell: LeaseCell;
/** One connection for all tenants, so that each finds what the one before left in it. */
let one: Pool;
let database: TenantDatabase;
let raw: Client;
const acme = tenantId(uuidv7());
const other = tenantId(uuidv7());

before(async () => {
  postgres = await startPostgres();
  [cell] = (await LeaseCell.make(postgres, ["cell-1"])) as [LeaseCell];
  for (const [tenant, slug] of [
    [acme, "acme"],
    [other, "other"],
  ] as const)
    await grantLease(cell.system, tenant, { epoch: 1, slug, tier: "pro", synthetic: false });
  const log = createLog("fence", "silent");
  one = createPool({ url: cell.database.appUrl, application: "one", max: 1, pipeline: true, log });
  database = new TenantDatabase(one, log);
  raw = await connect(cell.database.appUrl, "raw");
});
after(async () => {
  await Promise.all([one.end(), raw.end()]);
  await cell.stop();
  await postgres.stop();
});

const insert = (tenant: TenantId, note: string): Promise<unknown> =>
  database.run({ tenant, epoch: 1 }, "write", (tx) => tx.query("INSERT INTO notes (note) VALUES ($1)", [note]));

async function notesOf(tenant: TenantId): Promise<string[]> {
  return (await cell.look()).notes(tenant).toSorted();
}

/** The SQLSTATE with which a statement of the application's role fails inside a transaction; undefined when it does not. */
async function stateOf(
  text: string,
  head = `BEGIN; SELECT cellplane.enter('${acme}', 1)`,
): Promise<string | undefined> {
  await raw.query(head);
  try {
    await raw.query(text);
    return undefined;
  } catch (error) {
    return sqlState(error);
  } finally {
    await raw.query("ROLLBACK");
  }
}

const anInsert = "INSERT INTO notes (note) VALUES ('raw')";

test("attack 23: a pooled connection keeps nothing of the tenant before", async () => {
  await insert(acme, "mine");
  const read = (tenant: TenantId) =>
    database.run({ tenant, epoch: 1 }, "read", (tx) => tx.query<{ note: string }>("SELECT note FROM notes"));
  assert.deepEqual((await read(other)).rows, []);
  assert.deepEqual((await read(acme)).rows, [{ note: "mine" }]);
  // Behind the kit's back, on the very connection.
  assert.equal((await one.query("SELECT FROM notes")).rowCount, 0);
  const setting = "SELECT coalesce(current_setting('cellplane.tenant', true), '') AS tenant";
  assert.deepEqual((await one.query(setting)).rows, [{ tenant: "" }]);
});

test("attack 23: a transaction that breaks off leaves nothing either", async () => {
  const broken = database.run({ tenant: acme, epoch: 1 }, "write", async (tx) => {
    await tx.query("INSERT INTO notes (note) VALUES ('half')");
    throw new Error("the route fails");
  });
  await assert.rejects(broken, /the route fails/);
  assert.equal((await one.query("SELECT FROM notes")).rowCount, 0);
  assert.deepEqual(await notesOf(acme), ["mine"]);
});

test("I8: nothing that a tenant's transaction runs through the kit makes it another tenant's", async () => {
  await insert(other, "theirs");
  const steal = `UPDATE notes SET note = 'stolen' WHERE tenant_id = '${other}'`;
  const set = `SELECT set_config('cellplane.tenant', '${other}', true)`;
  for (const text of [
    `SET LOCAL cellplane.tenant = '${other}'`,
    `SET cellplane.tenant = '${other}'`,
    `SET SESSION AUTHORIZATION cell_owner`,
    "RESET ALL",
    "DISCARD ALL",
    "COMMIT",
    "BEGIN",
    "ROLLBACK",
    "DO $$ BEGIN END $$",
    "LISTEN everything",
    set,
    `/* SELECT */ SET LOCAL cellplane.tenant = '${other}'`,
    `/* a /* b */ SELECT */ SET LOCAL cellplane.tenant = '${other}'`,
    `-- SELECT\nSET LOCAL cellplane.tenant = '${other}'`,
    // Several statements in one message; several words in one statement.
    `SELECT 1; SET LOCAL cellplane.tenant = '${other}'`,
    "SELECT 1; COMMIT",
    `SELECT cellplane.enter('${other}', 1)`,
    `SELECT cellplane.enter_write('${other}', 1)`,
    "SET LOCAL cellplane.fenced = 'forged'",
    `WITH entered AS (SELECT cellplane.enter('${other}', NULL)) SELECT * FROM entered, notes`,
    // A quoted name hides from whoever reads the text, not from the role's rights.
    `SELECT U&"set\\005fconfig"('cellplane.tenant', '${other}', true)`,
    `SELECT query_to_xml('SET LOCAL cellplane.tenant = ''${other}''', true, false, '')`,
  ]) {
    const tried = database.run({ tenant: acme, epoch: 1 }, "write", async (tx) => {
      await tx.query(text);
      return tx.query(steal);
    });
    await assert.rejects(tried, text);
  }
  // Even one that goes on after the refusal reaches its own rows only.
  await database.run({ tenant: acme, epoch: 1 }, "write", async (tx) => {
    await assert.rejects(tx.query(`SET LOCAL cellplane.tenant = '${other}'`));
    assert.equal((await tx.query(steal)).rowCount, 0);
  });
  assert.deepEqual([await notesOf(acme), await notesOf(other)], [["mine"], ["theirs"]]);
});

test("what an application needs inside its transaction goes on: comments, brackets, CTEs, savepoints, cursors", async () => {
  await database.run({ tenant: acme, epoch: 1 }, "write", async (tx) => {
    await tx.query("SAVEPOINT here");
    await tx.query("INSERT INTO notes (note) VALUES ('undone')");
    await tx.query("ROLLBACK TO SAVEPOINT here");
    await tx.query("RELEASE SAVEPOINT here");
    const asked = await tx.query("-- why\n/* how /* deep */ */ (SELECT note FROM notes) UNION (VALUES ('x'))");
    assert.equal(asked.rowCount, 2);
    await tx.query("DECLARE listed CURSOR FOR SELECT note FROM notes");
    assert.equal((await tx.query("FETCH ALL FROM listed")).rowCount, 1);
  });
  assert.deepEqual(await notesOf(acme), ["mine"]);
});

test("each table that holds tenants' rows refuses a write outside of a tenant's transaction, from the catalogue", async () => {
  const found = await raw.query<{ name: string }>(
    `SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid AND p.polname = 'cellplane_tenant'
     WHERE has_table_privilege('cell_app', c.oid, 'DELETE') ORDER BY 1`,
  );
  const tables = found.rows.map(({ name }) => name);
  assert.ok(tables.includes("notes") && tables.includes("cellplane.outbox"), tables.join(", "));
  for (const table of tables) {
    await assert.rejects(raw.query(`DELETE FROM ${table}`), (error) => sqlState(error) === "CPL04", table);
    assert.equal(await stateOf(`TRUNCATE ${table}`), "42501", table);
    assert.equal(await stateOf(`ALTER TABLE ${table} DISABLE TRIGGER ALL`), "42501", table);
    assert.equal(await stateOf(`DROP POLICY cellplane_tenant ON ${table}`), "42501", table);
  }
});

test("the application's role cannot get round the fence", async () => {
  for (const text of [
    "SET LOCAL session_replication_role = replica",
    "SET ROLE cell_owner",
    "SET ROLE cell_system",
    "UPDATE cellplane.leases SET epoch = 9",
    "SELECT FROM cellplane.leases",
    "SELECT cellplane.fence()",
    "SELECT cellplane.protect_table('notes')",
    "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TEMPORARY TABLE mine (a int)",
    "COPY notes TO PROGRAM 'cat'",
    "SELECT pg_read_file('PG_VERSION')",
  ])
    // insufficient_privilege; feature_not_supported and undefined_function where it does not even exist for the role
    assert.match((await stateOf(text)) ?? "nothing", /^(42501|0A000)$/, text);
});

test("writes are READ COMMITTED only, however the isolation is asked for", async () => {
  const enter = `SELECT cellplane.enter('${acme}', 1)`;
  for (const level of ["REPEATABLE READ", "SERIALIZABLE"]) {
    assert.equal(await stateOf(anInsert, `BEGIN ISOLATION LEVEL ${level}; ${enter}`), "CPL05", level);
    const chosen = `BEGIN; SET TRANSACTION ISOLATION LEVEL ${level}; ${enter}`;
    assert.equal(await stateOf(anInsert, chosen), "CPL05", level);
    await raw.query(`SET default_transaction_isolation = '${level.toLowerCase()}'`);
    assert.equal(await stateOf(anInsert), "CPL05", `${level} by default`);
    await raw.query("RESET default_transaction_isolation");
  }
  assert.equal(await stateOf(anInsert), undefined);
});

test("a transaction that did not begin with the fence takes it at its first write, also one that names tenant and epoch itself", async () => {
  const head = `BEGIN; SET LOCAL cellplane.tenant = '${acme}'; SET LOCAL cellplane.epoch = `;
  assert.equal(await stateOf(anInsert, `${head} 1`), undefined);
  assert.equal(await stateOf(anInsert, `${head} 7`), "CPL01");
  const held = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND mode = 'ShareLock'";
  await raw.query(`${head} 1`);
  assert.equal((await raw.query(held)).rowCount, 0);
  await raw.query(anInsert);
  assert.equal((await raw.query(held)).rowCount, 1);
  await raw.query("ROLLBACK");
});

test("what a savepoint takes back, it takes whole: the fence is taken again by the next write", async () => {
  await raw.query(`BEGIN; SELECT cellplane.enter('${acme}', 1); SAVEPOINT here`);
  await raw.query(anInsert);
  await raw.query("ROLLBACK TO SAVEPOINT here");
  const locks = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
  assert.equal((await raw.query(locks)).rowCount, 0);
  await raw.query(anInsert);
  assert.equal((await raw.query(locks)).rowCount, 1);
  await raw.query("ROLLBACK");
});

test("a write that began before the freeze and reads nothing of it is stopped all the same", async () => {
  const step = { operation: operationId(uuidv7()), attempt: 0 };
  const taken = await takeAttempt(cell.system, other, step.operation);
  const attempt = taken.lease?.attempt ?? 0;
  // Entered, its snapshot not taken yet; then the freeze, which waits for nobody.
  await raw.query(`BEGIN; SELECT cellplane.enter('${other}', 1)`);
  const frozen = await freezeLease(cell.system, other, { ...step, attempt }, "freeze-1", 60_000);
  assert.equal(frozen.kind, "done");
  await assert.rejects(raw.query(anInsert), (error) => sqlState(error) === "CPL02");
  await raw.query("ROLLBACK");
  await takeAttempt(cell.system, other, step.operation);
  assert.deepEqual(await notesOf(other), ["theirs"]);
});
