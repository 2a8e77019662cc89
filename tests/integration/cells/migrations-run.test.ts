import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { tenantTimeouts } from "../../../cells/limits.ts";
import { SchemaWatch } from "../../../cells/kit/lint/watch.ts";
import { applyMigrations, beginLife, openMigration } from "../../../cells/kit/migrate.store.ts";
import type { LoadedMigration } from "../../../cells/kit/migrations.ts";
import { TenantDatabase } from "../../../cells/kit/tenant.store.ts";
import { sha256 } from "../../../common/canonical.ts";
import { tenantId } from "../../../common/ids.ts";
import { createLog } from "../../../common/log.ts";
import { connect, createPool, type Client } from "../../../common/postgres/pool.ts";
import { uuidv7 } from "../../../common/uuid.ts";
import { startPostgres, type FreshDatabase, type TestPostgres } from "../../support/postgres.ts";
import { seriesOf } from "./migration-series.ts";

const log = createLog("test", "silent", {});
let postgres: TestPostgres;
let database: FreshDatabase;
let kit: LoadedMigration[];
let owner: Client;

const migration = (number: number, sql: string): LoadedMigration => ({
  series: "app",
  number,
  name: "step",
  class: "expand",
  digest: sha256(sql),
  sql,
});
const notes = migration(
  1,
  `CREATE TABLE notes (tenant_id uuid NOT NULL, id uuid NOT NULL DEFAULT uuidv7(), note text, PRIMARY KEY (tenant_id, id));
   SELECT cellplane.protect_table('notes');`,
);
const concurrently = (sql: string): string => `-- cellplane:concurrently\n${sql}`;

before(async () => {
  postgres = await startPostgres();
  kit = await seriesOf("kit", "cells/kit/migrations");
});
after(async () => {
  await owner?.end();
  await postgres.stop();
});
beforeEach(async () => {
  await owner?.end();
  database = await postgres.freshDatabase();
  owner = await openMigration(database.ownerUrl);
  await applyMigrations(owner, [...kit, notes], new Set());
});

async function asSuperuser<Result>(work: (client: Client) => Promise<Result>): Promise<Result> {
  const client = await connect(database.url, "superuser");
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function appNumbers(): Promise<number[]> {
  const { rows } = await owner.query<{ number: number }>(
    "SELECT number FROM cellplane.schema_migrations WHERE series = 'app' ORDER BY number",
  );
  return rows.map(({ number }) => number);
}

test("a connection that is lost fails what is asked of it, and leaves the process alone", async () => {
  const client = await connect(database.url, "lost");
  const asleep = assert.rejects(client.query("SELECT pg_sleep(60)"));
  await asSuperuser((superuser) =>
    superuser.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lost'"),
  );
  await asleep;
  await assert.rejects(client.query("SELECT 1"));
});

test("fault 36: a migration that meets a busy table gives up in 2 s, tries again, then stops; tenants see no error", async (t) => {
  const tenant = tenantId(uuidv7());
  await beginLife(owner, "cell-1", "life-1", "a");
  await asSuperuser((client) =>
    client.query(
      `INSERT INTO cellplane.leases (tenant_id, state, epoch, incarnation, slug, tier, synthetic) VALUES ($1, 'active', 1, 'life-1', 'acme', 'pro', false)`,
      [tenant],
    ),
  );
  const pool = createPool({
    url: `${database.appUrl}?options=${encodeURIComponent(`-c transaction_timeout=${tenantTimeouts.transactionMs} -c lock_timeout=${tenantTimeouts.lockMs}`)}`,
    application: "tenants",
    max: 8,
    statementTimeoutMs: tenantTimeouts.statementMs,
    log,
  });
  const tenants = new TenantDatabase(pool, log);
  const scope = { tenant, epoch: 1 };
  const errors: unknown[] = [];
  let done = 0;
  let stopped = false;
  const loop = async (mode: "read" | "write", sql: string): Promise<void> => {
    while (!stopped) {
      await tenants.run(scope, mode, (tx) => tx.query(sql)).catch((error: unknown) => errors.push(error));
      done += 1;
      await sleep(5);
    }
  };
  const loops = [
    ...Array.from({ length: 4 }, () => loop("write", "INSERT INTO notes (note) SELECT 'busy'")),
    loop("read", "SELECT count(*) FROM notes"),
  ];
  // Somebody reads the table in a transaction that does not end: whoever wants it for himself waits, and everybody else behind him.
  const holder = await connect(database.url, "somebody's session");
  await holder.query("BEGIN; SELECT count(*) FROM notes");

  const change = migration(2, "ALTER TABLE notes ADD COLUMN pinned boolean NOT NULL DEFAULT false");
  const began = performance.now();
  try {
    await assert.rejects(
      applyMigrations(owner, [...kit, notes, change], new Set(), { lockTimeoutMs: 2_000, tries: 3, lastPauseMs: 500 }),
      { code: "migration-blocked", message: /^app\/2 did not get its locks in 3 tries/ },
    );
    assert.ok(performance.now() - began >= 6_000, "it waited 2 s each time");
    assert.deepEqual(await appNumbers(), [1]);
    const doneWhileBlocked = done;
    await holder.query("ROLLBACK");
    await applyMigrations(owner, [...kit, notes, change], new Set());
    assert.deepEqual(await appNumbers(), [1, 2]);
    stopped = true;
    await Promise.all(loops);
    assert.deepEqual(errors, []);
    assert.ok(doneWhileBlocked > 0);
    const { rows } = await owner.query<{ pinned: boolean }>(
      "SELECT attnotnull AS pinned FROM pg_attribute WHERE attrelid = 'notes'::regclass AND attname = 'pinned'",
    );
    assert.deepEqual(rows, [{ pinned: true }]);
    t.diagnostic(`tenants' transactions: ${done}, errors: ${errors.length}`);
  } finally {
    stopped = true;
    await Promise.all(loops);
    await holder.end();
    await pool.end();
  }
});

test("an index is built while a writer is at work, and what an interrupted build left behind is built anew", async () => {
  await asSuperuser(async (client) => {
    await client.query("ALTER TABLE notes DISABLE TRIGGER cellplane_fence");
    await client.query(
      "INSERT INTO notes (tenant_id, note) SELECT t.id, 'same' FROM (SELECT uuidv7() AS id) t, generate_series(1, 2)",
    );
    await client.query("ALTER TABLE notes ENABLE TRIGGER cellplane_fence");
    // A build that fails half way, as a kill would, leaves an invalid index of that name.
    const wanted = "CREATE UNIQUE INDEX CONCURRENTLY by_note ON notes (tenant_id, note)";
    await assert.rejects(client.query(wanted), { code: "23505" });
  });
  const valid = async (): Promise<unknown> =>
    (
      await owner.query<{ valid: boolean; unique: boolean }>(
        `SELECT indisvalid AS valid, indisunique AS "unique" FROM pg_index WHERE indexrelid = to_regclass('by_note')`,
      )
    ).rows[0];
  assert.deepEqual(await valid(), { valid: false, unique: true });
  const index = migration(
    2,
    concurrently("CREATE INDEX CONCURRENTLY IF NOT EXISTS by_note ON notes (tenant_id, note);"),
  );
  await applyMigrations(owner, [...kit, notes, index], new Set());
  assert.deepEqual(await valid(), { valid: true, unique: false });
  assert.deepEqual(await appNumbers(), [1, 2]);

  const drop = migration(3, concurrently("DROP INDEX CONCURRENTLY IF EXISTS by_note"));
  await applyMigrations(owner, [...kit, notes, index, drop], new Set());
  assert.deepEqual([await valid(), await appNumbers()], [undefined, [1, 2, 3]]);
});

test("a concurrent build waits for no other process that wants to migrate", async () => {
  const second = openMigration(database.ownerUrl);
  await sleep(500);
  const index = migration(2, concurrently("CREATE INDEX CONCURRENTLY IF NOT EXISTS by_note ON notes (note)"));
  await applyMigrations(owner, [...kit, notes, index], new Set());
  await owner.end();
  owner = await second;
  assert.deepEqual(await applyMigrations(owner, [...kit, notes, index], new Set()), []);
});

test("what the linter finds new in a migration undoes it, index or table; what was there before does not", async () => {
  const table = migration(
    2,
    "CREATE TABLE bare (tenant_id uuid NOT NULL, id uuid, doc json, PRIMARY KEY (tenant_id, id))",
  );
  await assert.rejects(applyMigrations(owner, [...kit, notes, table], new Set()), {
    code: "migration-refused",
    message: /^app\/2: .*bare.*cellplane\.protect_table/,
  });
  const index = migration(2, concurrently("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS one ON notes (note)"));
  for (let times = 0; times < 2; times++)
    await assert.rejects(
      applyMigrations(owner, [...kit, notes, index], new Set()),
      /notes \(one\): a unique key without/,
    );
  const left = await owner.query("SELECT to_regclass('bare') AS bare, to_regclass('one') AS one");
  assert.deepEqual([left.rows, await appNumbers()], [[{ bare: null, one: null }], [1]]);

  await asSuperuser((client) => client.query("CREATE VIEW eyes AS SELECT * FROM notes"));
  const harmless = migration(2, "ALTER TABLE notes ADD COLUMN pinned boolean");
  assert.equal((await applyMigrations(owner, [...kit, notes, harmless], new Set())).length, 1);
});

test("a process over an unsafe schema is not ready, and says the object, why and the fix; mended, it is", async () => {
  const system = createPool({ url: database.systemUrl, application: "watch", log });
  const look = async (): Promise<readonly string[]> => {
    const watch = new SchemaWatch({ system, log });
    assert.match(watch.problems()[0] ?? "", /^schema-unseen/);
    await watch.start();
    watch.stop();
    return watch.problems();
  };
  try {
    assert.deepEqual(await look(), []);
    await asSuperuser((client) => client.query("CREATE VIEW eyes AS SELECT * FROM notes"));
    const problems = await look();
    assert.equal(problems.length, 2);
    assert.match(problems.join("\n"), /^schema-unsafe: eyes: a view reads with its owner's eyes.* Fix: CREATE VIEW/m);
    await asSuperuser((client) => client.query("DROP VIEW eyes"));
    assert.deepEqual(await look(), []);
  } finally {
    await system.end();
  }
});
