import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect, type Client } from "../../../common/postgres/pool.ts";
import { lintSchema } from "../../../cells/kit/lint/schema.store.ts";
import { findingText, schemaRules, type SchemaRuleName } from "../../../cells/kit/lint/schema-rules.ts";
import { applyMigrations, openMigration } from "../../../cells/kit/migrate.store.ts";
import { startPostgres, type FreshDatabase, type TestPostgres } from "../../support/postgres.ts";
import { seriesOf } from "./migration-series.ts";

let postgres: TestPostgres;
let database: FreshDatabase;
let superuser: Client;

async function migrated(application: string): Promise<FreshDatabase> {
  const fresh = await postgres.freshDatabase();
  const client = await openMigration(fresh.ownerUrl);
  try {
    const wanted = [
      ...(await seriesOf("kit", "cells/kit/migrations")),
      ...(await seriesOf("app", `${application}/migrations`)),
    ];
    await applyMigrations(client, wanted, new Set());
  } finally {
    await client.end();
  }
  return fresh;
}

before(async () => {
  postgres = await startPostgres();
  database = await migrated("cells/pulse");
  superuser = await connect(database.url, "test");
});
after(async () => {
  await superuser?.end();
  await postgres.stop();
});

/** What the linter finds after these statements, which are then undone. */
async function foundAfter(sql: string): Promise<string[]> {
  await superuser.query("BEGIN");
  try {
    await superuser.query(`SET LOCAL ROLE cell_owner; ${sql}`);
    return (await lintSchema(superuser)).map(({ rule, object, detail }) => `${rule}: ${object} ${detail}`.trim());
  } finally {
    await superuser.query("ROLLBACK");
  }
}

/** A table as it should be, with whatever is added to it. */
const table = (columns = "", rest = ""): string =>
  `CREATE TABLE things (tenant_id uuid NOT NULL, id uuid NOT NULL DEFAULT uuidv7() ${columns}, PRIMARY KEY (tenant_id, id)) ${rest};
   SELECT cellplane.protect_table('things');`;

const asSuperuser = (sql: string): string => `RESET ROLE; ${sql}`;

interface Case {
  readonly rule: SchemaRuleName;
  readonly refused: readonly (readonly [sql: string, finding: string])[];
  readonly accepted: string;
}

async function check({ rule, refused, accepted }: Case): Promise<void> {
  for (const [sql, finding] of refused) {
    const found = await foundAfter(sql);
    assert.ok(
      found.includes(`${rule}: ${finding}`),
      `${rule} not found as "${finding}" after\n${sql}\n${found.join("\n")}`,
    );
  }
  assert.deepEqual(await foundAfter(accepted), [], accepted);
}

const isolation: readonly Case[] = [
  {
    rule: "unforced-policy",
    refused: [
      ["CREATE TABLE things (tenant_id uuid NOT NULL, id uuid, PRIMARY KEY (tenant_id, id))", "things"],
      [`${table()} ALTER TABLE things NO FORCE ROW LEVEL SECURITY`, "things"],
      [`${table()} ALTER TABLE things DISABLE ROW LEVEL SECURITY`, "things"],
      [`${table()} DROP POLICY cellplane_tenant ON things`, "things"],
      [`${table()} ALTER POLICY cellplane_tenant ON things USING (true)`, "things"],
      [`${table()} ALTER POLICY cellplane_tenant ON things TO PUBLIC`, "things"],
      ["GRANT SELECT ON cellplane.leases TO cell_app", "cellplane.leases"],
    ],
    accepted: table(),
  },
  {
    rule: "policy-too-wide",
    refused: [
      [`${table()} CREATE POLICY shared ON things FOR SELECT TO cell_app USING (true)`, "things shared"],
      [`${table()} CREATE POLICY shared ON things USING (true)`, "things shared"],
    ],
    accepted: `${table()} CREATE POLICY narrower ON things AS RESTRICTIVE TO cell_app USING (id IS NOT NULL)`,
  },
  {
    rule: "fence-missing",
    refused: [
      [`${table()} DROP TRIGGER cellplane_fence ON things`, "things"],
      [`${table()} ALTER TABLE things DISABLE TRIGGER cellplane_fence`, "things"],
      [`${table()} ALTER TABLE things ENABLE REPLICA TRIGGER cellplane_fence`, "things"],
      ["ALTER TABLE events DISABLE TRIGGER USER", "events"],
    ],
    accepted: table(),
  },
  {
    rule: "trigger-disabled",
    refused: [
      [`${table()} ALTER TABLE things DISABLE TRIGGER ALL`.replace("ALL", "cellplane_fence"), "things cellplane_fence"],
    ],
    accepted: table(),
  },
  {
    rule: "foreign-table",
    refused: [
      [
        asSuperuser(
          "CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER other FOREIGN DATA WRAPPER nowhere; CREATE FOREIGN TABLE away (tenant_id uuid) SERVER other",
        ),
        "away",
      ],
    ],
    accepted: table(),
  },
  {
    rule: "rewrite-rule",
    refused: [[`${table()} CREATE RULE keep AS ON DELETE TO things DO INSTEAD NOTHING`, "things keep"]],
    accepted: table(),
  },
  {
    rule: "object-elsewhere",
    refused: [
      [
        asSuperuser(
          "CREATE SCHEMA annex AUTHORIZATION cell_owner; SET ROLE cell_owner; CREATE TABLE annex.things (id uuid)",
        ),
        "annex.things",
      ],
      [
        asSuperuser(
          "CREATE SCHEMA annex AUTHORIZATION cell_owner; SET ROLE cell_owner; CREATE VIEW annex.eyes AS SELECT * FROM events",
        ),
        "annex.eyes",
      ],
    ],
    accepted: table(),
  },
];

const keys: readonly Case[] = [
  {
    rule: "key-without-tenant",
    refused: [
      ["CREATE TABLE things (tenant_id uuid NOT NULL, id uuid PRIMARY KEY)", "things"],
      ["CREATE TABLE things (tenant_id uuid NOT NULL, id uuid, PRIMARY KEY (id, tenant_id))", "things"],
      ["CREATE TABLE things (tenant_id text NOT NULL, id uuid, PRIMARY KEY (tenant_id, id))", "things"],
      ["CREATE TABLE things (tenant_id uuid NOT NULL)", "things"],
    ],
    accepted: table(),
  },
  {
    rule: "unique-without-tenant",
    refused: [
      [table(", email text UNIQUE"), "things things_email_key"],
      [`${table(", email text")} CREATE UNIQUE INDEX taken ON things (lower(email))`, "things taken"],
      [`${table(", email text")} CREATE UNIQUE INDEX taken ON things (email) INCLUDE (tenant_id)`, "things taken"],
      [table(", during tstzrange, CONSTRAINT apart EXCLUDE USING gist (during WITH &&)"), "things apart"],
    ],
    accepted: `${table(", email text, UNIQUE (tenant_id, email)")} CREATE UNIQUE INDEX taken ON things (lower(email), tenant_id);
      CREATE INDEX found ON things (email)`,
  },
  {
    rule: "foreign-key-without-tenant",
    refused: [
      [
        `${table()} CREATE TABLE parts (tenant_id uuid, id uuid, thing_tenant uuid, thing uuid, PRIMARY KEY (tenant_id, id),
           CONSTRAINT of_thing FOREIGN KEY (thing_tenant, thing) REFERENCES things (tenant_id, id))`,
        "parts of_thing",
      ],
    ],
    accepted: `${table()} CREATE TABLE parts (tenant_id uuid, id uuid, thing uuid, PRIMARY KEY (tenant_id, id),
      FOREIGN KEY (tenant_id, thing) REFERENCES things (tenant_id, id)); SELECT cellplane.protect_table('parts')`,
  },
];

const owners: readonly Case[] = [
  {
    rule: "definer-function",
    refused: [
      [
        "CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM events'",
        "peek()",
      ],
      [
        "CREATE FUNCTION cellplane.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT 1::bigint'",
        "cellplane.peek()",
      ],
      [
        asSuperuser(
          "CREATE FUNCTION cellplane.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT 1::bigint'",
        ),
        "cellplane.peek()",
      ],
      ["CREATE PROCEDURE act() LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'", "act()"],
    ],
    accepted: "CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM events'",
  },
  {
    rule: "view-as-owner",
    refused: [
      ["CREATE VIEW eyes AS SELECT * FROM events", "eyes"],
      ["CREATE VIEW eyes WITH (security_invoker = false) AS SELECT * FROM events", "eyes"],
      [asSuperuser("CREATE VIEW eyes AS SELECT * FROM events"), "eyes"],
    ],
    accepted: "CREATE VIEW eyes WITH (security_invoker = on) AS SELECT * FROM events",
  },
  {
    rule: "materialised-view",
    refused: [["CREATE MATERIALIZED VIEW copy AS SELECT 1 AS one", "copy"]],
    accepted: table(),
  },
  {
    rule: "owned-by-superuser",
    refused: [
      [asSuperuser("CREATE VIEW eyes WITH (security_invoker = true) AS SELECT * FROM events"), "eyes postgres"],
      [`${table()} RESET ROLE; ALTER TABLE things OWNER TO postgres`, "things postgres"],
    ],
    accepted: table(),
  },
];

const roles: readonly Case[] = [
  {
    rule: "owned-by-application",
    refused: [
      [`${table()} RESET ROLE; ALTER TABLE things OWNER TO cell_app`, "table things cell_app"],
      [asSuperuser("ALTER FUNCTION cellplane.tenant() OWNER TO cell_app"), "function cellplane.tenant() cell_app"],
      [asSuperuser("ALTER SCHEMA public OWNER TO cell_system"), "schema public cell_system"],
    ],
    accepted: table(),
  },
  {
    rule: "role-too-strong",
    refused: [
      [asSuperuser("ALTER ROLE cell_app BYPASSRLS"), "cell_app BYPASSRLS"],
      [asSuperuser("ALTER ROLE cell_app SUPERUSER"), "cell_app SUPERUSER"],
      [asSuperuser("ALTER ROLE cell_owner SUPERUSER"), "cell_owner SUPERUSER"],
      [asSuperuser("ALTER ROLE cell_system CREATEROLE REPLICATION"), "cell_system REPLICATION, CREATEROLE"],
    ],
    accepted: asSuperuser("ALTER ROLE cell_app NOBYPASSRLS"),
  },
  {
    rule: "role-member",
    refused: [
      [asSuperuser("GRANT cell_owner TO cell_app"), "cell_app cell_owner"],
      [asSuperuser("GRANT pg_read_all_data TO cell_app"), "cell_app pg_read_all_data"],
    ],
    accepted: asSuperuser("GRANT pg_read_all_stats TO cell_system"),
  },
  {
    rule: "replication-role-settable",
    refused: [
      [asSuperuser("GRANT SET ON PARAMETER session_replication_role TO cell_app"), "cell_app"],
      [asSuperuser("ALTER ROLE cell_app SET session_replication_role = replica"), "cell_app as a default"],
    ],
    accepted: asSuperuser("ALTER ROLE cell_app SET statement_timeout = '4s'"),
  },
  {
    rule: "privilege-too-strong",
    refused: [
      [`${table()} GRANT TRUNCATE ON things TO cell_app`, "things TRUNCATE"],
      [`${table()} GRANT TRIGGER ON things TO PUBLIC`, "things TRIGGER"],
      [`${table()} GRANT ALL ON things TO cell_app`, "things REFERENCES"],
      ["GRANT CREATE ON SCHEMA public TO cell_app", "schema public CREATE"],
      [
        asSuperuser(`DO $$ BEGIN EXECUTE format('GRANT TEMP ON DATABASE %I TO cell_app', current_database()); END $$`),
        "database test_1 TEMPORARY",
      ],
    ],
    accepted: `${table()} GRANT SELECT ON things TO cell_system`,
  },
];

const moves: readonly Case[] = [
  {
    rule: "sequence",
    refused: [
      [table(", n serial"), "things_n_seq"],
      ["CREATE SEQUENCE numbers", "numbers"],
      [`${table()} ALTER TABLE things ADD COLUMN n bigint GENERATED ALWAYS AS IDENTITY`, "things n"],
    ],
    accepted: table(", n bigint NOT NULL DEFAULT 1"),
  },
  {
    rule: "column-not-comparable",
    refused: [
      [table(", doc json"), "things doc json"],
      [table(", docs json[]"), "things docs json"],
      [`CREATE DOMAIN document AS json; ${table(", doc document")}`, "things doc json"],
      [table(", at point"), "things at point"],
    ],
    accepted: table(", doc jsonb, docs jsonb[], ratio float8, words tsvector, email varchar(80)"),
  },
  {
    rule: "column-of-this-database",
    refused: [
      [table(", what regclass"), "things what regclass"],
      [table(", file oid"), "things file oid"],
    ],
    accepted: table(", what text"),
  },
  {
    rule: "unlogged-table",
    refused: [[`${table()} ALTER TABLE things SET UNLOGGED`, "things"]],
    accepted: table(),
  },
];

test("kit, Pulse and its later releases leave nothing to find", async () => {
  for (const application of ["cells/pulse", "examples/pulse-2"]) {
    const fresh = await migrated(application);
    const client = await connect(fresh.systemUrl, "test");
    try {
      assert.deepEqual((await lintSchema(client)).map(findingText), [], application);
    } finally {
      await client.end();
    }
  }
});

test("attack 24: an application role that owns a table, or has BYPASSRLS or any right beyond rows, is found", async () => {
  for (const one of roles) await check(one);
});

test("attack 25: a view, function or object that acts as its owner or a superuser is found", async () => {
  for (const one of owners) await check(one);
});

test("attack 26: a primary, unique or foreign key without tenant_id is found", async () => {
  for (const one of keys) await check(one);
});

test("a table without forced policy or working fence, or beside the house, is found", async () => {
  for (const one of isolation) await check(one);
});

test("what cannot follow a tenant to another cell, or does not outlive a crash, is found", async () => {
  for (const one of moves) await check(one);
});

test("each rule has a refused and an accepted case, and says why and the fix", () => {
  const tested = [...isolation, ...keys, ...owners, ...roles, ...moves].map(({ rule }) => rule);
  assert.deepEqual(tested.toSorted(), Object.keys(schemaRules).toSorted());
  const text = findingText({ rule: "sequence", object: "things", detail: "n" });
  assert.match(text, /^things \(n\): tenants share a sequence, .* Fix: Use id uuid NOT NULL DEFAULT uuidv7\(\)/);
});
