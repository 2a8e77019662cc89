import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { test } from "node:test";
import type { MigrationText } from "../../../cells/drivers/bundle/lint/context.ts";
import { lintMigrations } from "../../../cells/drivers/bundle/lint/lint.ts";
import {
  migrationFindingText,
  migrationRules,
  type MigrationRuleName,
} from "../../../cells/drivers/bundle/lint/rules.ts";
import { parseMigrationFile, type MigrationClass, type MigrationSeries } from "../../../common/contracts/release.ts";

const root = resolve(import.meta.dirname, "../../..");

const text = (sql: string, ofClass: MigrationClass = "expand", series: MigrationSeries = "app"): MigrationText => ({
  series,
  file: `0002-step.${ofClass}.sql`,
  class: ofClass,
  sql,
});

const rulesOf = async (...migrations: readonly MigrationText[]): Promise<string[]> => [
  ...new Set((await lintMigrations(migrations)).map(({ rule }) => rule)),
];

/** A table as it should be, with whatever is added to it. */
const table = (columns = "", name = "things"): string =>
  `CREATE TABLE ${name} (tenant_id uuid NOT NULL, id uuid NOT NULL DEFAULT uuidv7() ${columns}, PRIMARY KEY (tenant_id, id));
   SELECT cellplane.protect_table('${name}');`;

interface Cases {
  /** Each is refused, and by this rule alone. */
  readonly refused: readonly (string | MigrationText)[];
  readonly accepted: readonly (string | readonly MigrationText[])[];
}

const blocks: Partial<Record<MigrationRuleName, Cases>> = {
  "index-blocks": {
    refused: [
      "CREATE INDEX by_name ON things (name)",
      "CREATE UNIQUE INDEX by_name ON things (tenant_id, name)",
      "ALTER TABLE things ADD CONSTRAINT one UNIQUE (tenant_id, name)",
      text("CREATE INDEX by_job ON cellplane.outbox (job)", "expand", "kit"),
    ],
    accepted: [
      `${table(", name text")} CREATE INDEX by_name ON things (name);`,
      "ALTER TABLE things ADD CONSTRAINT one UNIQUE USING INDEX by_name",
      [text("CREATE INDEX by_state ON cellplane.leases (state)", "expand", "kit")],
    ],
  },
  "type-rewrite": {
    refused: ["ALTER TABLE things ALTER COLUMN name TYPE varchar(10)"],
    accepted: [`${table(", name text")} ALTER TABLE things ALTER COLUMN name TYPE varchar(10);`],
  },
  "column-rewrite": {
    refused: [
      "ALTER TABLE things ADD COLUMN at timestamptz NOT NULL DEFAULT clock_timestamp()",
      "ALTER TABLE things ADD COLUMN other uuid DEFAULT uuidv7()",
      "ALTER TABLE things ADD COLUMN twice int GENERATED ALWAYS AS (n * 2) STORED",
    ],
    accepted: [
      "ALTER TABLE things ADD COLUMN at timestamptz NOT NULL DEFAULT now()",
      "ALTER TABLE things ADD COLUMN kind text NOT NULL DEFAULT 'plain'::text, ADD COLUMN tags text[] NOT NULL DEFAULT '{}'",
      "ALTER TABLE things ADD COLUMN twice int GENERATED ALWAYS AS (n * 2) VIRTUAL",
      "ALTER TABLE things ALTER COLUMN other SET DEFAULT uuidv7()",
    ],
  },
  "column-needs-default": {
    refused: ["ALTER TABLE things ADD COLUMN name text NOT NULL"],
    accepted: [
      "ALTER TABLE things ADD COLUMN name text",
      "ALTER TABLE things ADD COLUMN name text NOT NULL DEFAULT ''",
    ],
  },
  "not-null-scan": {
    refused: ["ALTER TABLE things ALTER COLUMN name SET NOT NULL"],
    accepted: [
      [
        text("ALTER TABLE things ADD CONSTRAINT named CHECK (name IS NOT NULL) NOT VALID"),
        text("ALTER TABLE things VALIDATE CONSTRAINT named"),
        text("ALTER TABLE things ALTER COLUMN name SET NOT NULL"),
      ],
      `${table(", name text")} ALTER TABLE things ALTER COLUMN name SET NOT NULL;`,
    ],
  },
  "constraint-scan": {
    refused: [
      "ALTER TABLE things ADD CONSTRAINT named CHECK (name <> '')",
      "ALTER TABLE things ADD CONSTRAINT part FOREIGN KEY (tenant_id, whole) REFERENCES wholes",
      "ALTER TABLE things ADD COLUMN size int CHECK (size > 0)",
    ],
    accepted: [
      "ALTER TABLE things ADD CONSTRAINT named CHECK (name <> '') NOT VALID",
      "ALTER TABLE things ADD CONSTRAINT part FOREIGN KEY (tenant_id, whole) REFERENCES wholes (tenant_id, id) NOT VALID",
      "ALTER TABLE things ADD CONSTRAINT named NOT NULL name NOT VALID",
    ],
  },
  "validated-at-once": {
    refused: [
      "ALTER TABLE things ADD CONSTRAINT named CHECK (name <> '') NOT VALID; ALTER TABLE things VALIDATE CONSTRAINT named",
    ],
    accepted: [
      [
        text("ALTER TABLE things ADD CONSTRAINT named CHECK (name <> '') NOT VALID"),
        text("ALTER TABLE things VALIDATE CONSTRAINT named"),
      ],
    ],
  },
  "table-rewrite": {
    refused: [
      "VACUUM FULL things",
      "CLUSTER things USING by_name",
      "REINDEX TABLE things",
      "ALTER TABLE things SET TABLESPACE slow",
      "REFRESH MATERIALIZED VIEW totals",
    ],
    accepted: ["ALTER TABLE things SET (fillfactor = 90)", "COMMENT ON TABLE things IS 'of a tenant'"],
  },
  "lock-by-hand": { refused: ["LOCK TABLE things IN ACCESS EXCLUSIVE MODE"], accepted: [table()] },
  truncate: { refused: ["TRUNCATE things", text("TRUNCATE things", "contract")], accepted: [table()] },
  "data-change": {
    refused: [
      "UPDATE things SET name = ''",
      "INSERT INTO things (name) VALUES ('a')",
      "DELETE FROM things",
      "SELECT count(*) FROM things",
    ],
    accepted: [[text("INSERT INTO cellplane.clock DEFAULT VALUES", "expand", "kit")]],
  },
  "concurrent-alone": {
    refused: [
      "CREATE INDEX CONCURRENTLY IF NOT EXISTS by_name ON things (name)",
      "-- cellplane:concurrently\nCREATE INDEX CONCURRENTLY by_name ON things (name)",
      "-- cellplane:concurrently\nCREATE INDEX CONCURRENTLY IF NOT EXISTS a ON things (a); CREATE INDEX CONCURRENTLY IF NOT EXISTS b ON things (b)",
      "-- cellplane:concurrently\nALTER TABLE things ADD COLUMN name text",
      "-- cellplane:concurrently\n",
      "DROP INDEX by_name",
    ],
    accepted: [
      "-- cellplane:concurrently\nCREATE INDEX CONCURRENTLY IF NOT EXISTS by_name ON things (name)",
      "-- cellplane:concurrently\r\n-- why\r\nDROP INDEX CONCURRENTLY IF EXISTS by_name",
    ],
  },
};

const breaks: Partial<Record<MigrationRuleName, Cases>> = {
  "drop-in-expand": {
    refused: [
      "DROP TABLE things",
      "ALTER TABLE things DROP COLUMN name",
      "ALTER TABLE things DROP CONSTRAINT named",
      "ALTER TABLE things RENAME COLUMN name TO title",
      "ALTER TABLE things RENAME TO objects",
      "DROP VIEW names",
      "DROP FUNCTION count_things(uuid)",
    ],
    accepted: [
      [text("ALTER TABLE things DROP COLUMN name", "contract")],
      [text("DROP TABLE things", "irreversible")],
      "ALTER TABLE things ALTER COLUMN name DROP NOT NULL",
    ],
  },
  "expand-in-contract": {
    refused: [
      text("ALTER TABLE things ADD COLUMN title text, DROP COLUMN name", "contract"),
      text(table(), "contract"),
      text(
        "-- cellplane:concurrently\nCREATE INDEX CONCURRENTLY IF NOT EXISTS by_name ON things (name)",
        "irreversible",
      ),
    ],
    accepted: [[text("ALTER TABLE things DROP COLUMN name; ALTER TABLE things RENAME title TO name", "contract")]],
  },
  "transaction-control": {
    refused: ["COMMIT", "BEGIN", "SAVEPOINT half", "ROLLBACK"],
    accepted: [table()],
  },
  setting: {
    refused: [
      "SET lock_timeout = 0",
      "SET LOCAL statement_timeout = '1h'",
      "SET LOCAL session_replication_role = replica",
      "SET ROLE cell_app",
      "RESET ALL",
      "SELECT set_config('lock_timeout', '0', true)",
      "ALTER SYSTEM SET fsync = off",
    ],
    accepted: ["SET LOCAL maintenance_work_mem = '256MB'"],
  },
  unreadable: { refused: ["DO $$ BEGIN EXECUTE 'DROP TABLE ' || 'things'; END $$"], accepted: [table()] },
  "statement-unknown": {
    refused: ["CREATE EXTENSION citext", "NOTIFY things", "CREATE PUBLICATION all_things FOR ALL TABLES"],
    accepted: ["CREATE TYPE mood AS ENUM ('good', 'bad')", "CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%')"],
  },
};

const reaches: Partial<Record<MigrationRuleName, Cases>> = {
  "unprotected-table": {
    refused: [
      "CREATE TABLE things (tenant_id uuid, id uuid, PRIMARY KEY (tenant_id, id))",
      `${table("", "others")} CREATE TABLE things (tenant_id uuid, PRIMARY KEY (tenant_id))`,
    ],
    accepted: [table(), table().replace("'things'", "'public.things'")],
  },
  "key-without-tenant": {
    refused: [
      table().replace("(tenant_id, id)", "(id, tenant_id)"),
      table().replace(", PRIMARY KEY (tenant_id, id)", ""),
      table(", email text UNIQUE"),
      table(", whole uuid REFERENCES wholes (id)"),
      table(", whole uuid, owner uuid, FOREIGN KEY (owner, whole) REFERENCES wholes (tenant_id, id)"),
      "-- cellplane:concurrently\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS one ON things (email)",
    ],
    accepted: [
      table(
        ", email text, UNIQUE (tenant_id, email), whole uuid, FOREIGN KEY (tenant_id, whole) REFERENCES wholes (tenant_id, id)",
      ),
      "-- cellplane:concurrently\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS one ON things (tenant_id, lower(email))",
    ],
  },
  "shared-counter": {
    refused: [
      table(", n bigserial"),
      table(", n int GENERATED ALWAYS AS IDENTITY"),
      "CREATE SEQUENCE numbers",
      "ALTER TABLE things ADD COLUMN n serial",
    ],
    accepted: [table(", n bigint NOT NULL DEFAULT 1")],
  },
  "column-type": {
    refused: [table(", doc json"), table(", what regclass"), "ALTER TABLE things ADD COLUMN at point"],
    accepted: [table(", doc jsonb, what text, ratio float8")],
  },
  "acts-as-owner": {
    refused: [
      "CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT 1::bigint'",
      "CREATE VIEW names AS SELECT name FROM things",
      "CREATE VIEW names WITH (security_invoker = false) AS SELECT name FROM things",
      "CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM things",
      "CREATE TABLE copy AS SELECT * FROM things",
    ],
    accepted: [
      "CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n * 2'; GRANT EXECUTE ON FUNCTION twice(int) TO cell_app",
      "CREATE VIEW names WITH (security_invoker = true) AS SELECT name FROM things; GRANT SELECT ON names TO cell_app",
      "CREATE OR REPLACE VIEW names WITH (security_invoker) AS SELECT name FROM things",
    ],
  },
  "not-kept": {
    refused: [table().replace("CREATE TABLE", "CREATE UNLOGGED TABLE"), "ALTER TABLE things SET UNLOGGED"],
    accepted: [table()],
  },
  "protection-touched": {
    refused: [
      "ALTER TABLE things DISABLE TRIGGER ALL",
      "ALTER TABLE things NO FORCE ROW LEVEL SECURITY",
      "ALTER TABLE things OWNER TO cell_app",
      "CREATE POLICY all_of_it ON things USING (true)",
      "DROP POLICY cellplane_tenant ON things",
      "DROP TRIGGER cellplane_fence ON things",
      "GRANT TRUNCATE ON things TO cell_app",
      "GRANT SELECT ON things TO PUBLIC",
      "GRANT cell_owner TO cell_app",
      "ALTER ROLE cell_app BYPASSRLS",
      "CREATE RULE keep AS ON DELETE TO things DO INSTEAD NOTHING",
    ],
    accepted: [
      "CREATE TRIGGER touched BEFORE UPDATE ON things FOR EACH ROW EXECUTE FUNCTION touch()",
      [text("CREATE POLICY cellplane_system ON cellplane.outbox TO cell_system USING (true)", "expand", "kit")],
    ],
  },
  "kits-schema": {
    refused: [
      "ALTER TABLE cellplane.leases ADD COLUMN mine text",
      "CREATE FUNCTION cellplane.enter(a text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
      "CREATE SCHEMA annex",
      "ALTER TABLE things SET SCHEMA annex",
    ],
    accepted: [table().replace("TABLE things", "TABLE public.things")],
  },
};

const all = { ...blocks, ...breaks, ...reaches };

for (const [rule, { refused, accepted }] of Object.entries(all)) {
  test(`${rule} is refused, and its fix accepted`, async () => {
    for (const one of refused) {
      const migration = typeof one === "string" ? text(one) : one;
      assert.deepEqual(await rulesOf(migration), [rule], migration.sql);
    }
    for (const one of accepted) {
      const migrations = typeof one === "string" ? [text(one)] : one;
      assert.deepEqual(await rulesOf(...migrations), [], migrations.map(({ sql }) => sql).join("\n"));
    }
  });
}

test("each rule has its cases", () => {
  assert.deepEqual(Object.keys(all).toSorted(), Object.keys(migrationRules).toSorted());
});

test("a finding names file, line and object, why, and the fix", async () => {
  const [finding] = await lintMigrations([text(`${table()}\n\n-- später, ü\n/* and\n why */\nDROP TABLE others;`)]);
  assert.ok(finding !== undefined);
  assert.match(
    migrationFindingText(finding),
    /^app\/0002-step\.expand\.sql:7 drop others: the release that runs beside still uses what is dropped .* Fix: Bring a release/,
  );
});

test("what PostgreSQL does not read is refused with file and line", async () => {
  await assert.rejects(lintMigrations([text("SELECT 1;\nCREAT TABLE things ();")]), {
    name: "MigrationSyntaxError",
    message: /^app\/0002-step\.expand\.sql:2 syntax error at or near "CREAT"/,
  });
});

test("the migrations of kit, Pulse and the examples are accepted", async () => {
  const folders = [
    "cells/kit/migrations",
    "cells/pulse/migrations",
    ...globSync("examples/*/migrations", { cwd: root }),
  ];
  for (const folder of folders) {
    const series = folder.startsWith("cells/kit") ? "kit" : "app";
    const migrations = globSync(`${folder}/*`, { cwd: root })
      .toSorted()
      .map((path): MigrationText => {
        const parsed = parseMigrationFile(basename(path));
        assert.ok(parsed !== null, path);
        return { series, file: basename(path), class: parsed.class, sql: readFileSync(join(root, path), "utf8") };
      });
    assert.ok(migrations.length > 0, dirname(folder));
    assert.deepEqual((await lintMigrations(migrations)).map(migrationFindingText), [], folder);
  }
});
