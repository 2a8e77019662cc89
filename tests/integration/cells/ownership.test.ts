import assert from "node:assert/strict";
import { createHmac, sign } from "node:crypto";
import { after, before, test } from "node:test";
import { connect, sqlState, type Client } from "../../../common/postgres/pool.ts";
import { generateSigningKey } from "../../../common/keys.ts";
import { signToken, verifyToken } from "../../../common/tokens.ts";
import { LeaseWord } from "../../../common/contracts/lease.ts";
import { CellUnderTest, type TestTenant } from "./cell-under-test.ts";

let cell: CellUnderTest;
let acme: TestTenant;
let other: TestTenant;
let nobody: TestTenant;
let synthetic: TestTenant;

before(async () => {
  cell = await CellUnderTest.start();
  const release = await cell.release("cells/pulse", "1");
  acme = cell.addTenant("acme");
  other = cell.addTenant("other");
  nobody = cell.addTenant("nobody");
  synthetic = cell.addTenant("synthetic-cell-1", { synthetic: true });
  await cell.migrate(release);
  await cell.startApi(release);
  for (const tenant of [acme, other, synthetic]) await cell.grant(tenant);
});
after(async () => cell.stop());

const event = (id: string) => ({ events: [{ id, type: "t", user: "u", at: "2026-03-01T00:00:00Z" }] });

async function refusesAssertions(cases: readonly (readonly [what: string, assertion: string | null])[]): Promise<void> {
  for (const [what, assertion] of cases) {
    const answer = await cell.call(acme, "/v1/stats", { assertion });
    assert.deepEqual([answer.status, answer.body["code"]], [401, "assertion-refused"], what);
  }
}

test("attack 3: a cell that is called directly, without a router's assertion, answers 401", async () => {
  await refusesAssertions([
    ["none", null],
    ["an empty one", ""],
    ["garbage", "not.a.token"],
    ["of a stranger", await cell.assertion(acme, { signer: cell.publisher })],
    ["of the control plane", await cell.assertion(acme, { signer: cell.plane, issuer: "control-plane" })],
    ["of a router under another's name", await cell.assertion(acme, { issuer: "router-2" })],
    [
      "of the workflow worker for a real tenant",
      await cell.assertion({ ...acme, synthetic: true }, { signer: cell.workflow, issuer: "worker" }),
    ],
  ]);
});

test("attack 4: an assertion for another cell answers 401", async () => {
  await refusesAssertions([["of another cell", await cell.assertion(acme, { audience: "cell-2" })]]);
});

test("attack 6: no algorithm, another algorithm, a key that the token brings itself: 401", async () => {
  const [, claims = "", signature = ""] = (await cell.assertion(acme)).split(".");
  const head = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const typ = "cp-assertion";
  const { kid } = cell.router;
  const stranger = generateSigningKey();
  const jwk = stranger.publicKey.export({ format: "jwk" });
  const byStranger = (header: object): string => {
    const signed = `${head(header)}.${claims}`;
    return `${signed}.${sign(null, Buffer.from(signed), stranger.privateKey).toString("base64url")}`;
  };
  // The public key, which everybody knows, used as a shared secret.
  const hs256 = `${head({ alg: "HS256", typ, kid })}.${claims}`;
  const mac = createHmac("sha256", Buffer.from(cell.router.spki, "base64")).update(hs256).digest("base64url");
  await refusesAssertions([
    ["none, unsigned", `${head({ alg: "none", typ, kid })}.${claims}.`],
    ["none, with a signature", `${head({ alg: "none", typ, kid })}.${claims}.${signature}`],
    ["NoNe", `${head({ alg: "NoNe", typ, kid })}.${claims}.`],
    ["the public key as a secret", `${hs256}.${mac}`],
    ["an embedded key", byStranger({ alg: "EdDSA", typ, jwk })],
    ["an embedded key under a trusted id", byStranger({ alg: "EdDSA", typ, kid, jwk })],
    ["a key at an address", byStranger({ alg: "EdDSA", typ, kid: "x", jku: "http://127.0.0.1:9/keys" })],
    ["another kind of token", await signToken("cp-command", { iss: "router-1", aud: cell.id }, cell.router)],
  ]);
});

test("the workflow worker may speak for the synthetic tenant", async () => {
  const assertion = await cell.assertion(synthetic, { signer: cell.workflow, issuer: "worker" });
  assert.equal((await cell.call(synthetic, "/v1/stats", { assertion })).status, 200);
});

test("a route wants an API key unless it says otherwise", async () => {
  const answer = await cell.call(acme, "/v1/stats", { principal: "anonymous" });
  assert.deepEqual([answer.status, answer.body["code"]], [401, "key-required"]);
});

test("attack 5: another epoch than the lease's, and a tenant that is not here, is 421 with the cell's signed word", async () => {
  for (const [tenant, epoch, state] of [
    [nobody, 1, "none"],
    [acme, 2, "active"],
  ] as const) {
    for (const call of [
      cell.call(tenant, "/v1/stats", { epoch }),
      cell.call(tenant, "/v1/events", { epoch, body: event("x") }),
    ]) {
      const answer = await call;
      assert.deepEqual([answer.status, answer.body["code"]], [421, "not-owned-here"]);
      assert.equal(answer.headers.get("cellplane-not-executed"), "not-owned-here");
      const word = await verifyToken(answer.headers.get("cellplane-lease-word") ?? "", {
        type: "cp-lease-word",
        schema: LeaseWord,
        keys: () => cell.cellKey.publicKey,
      });
      assert.equal(word.payload.tenant, tenant.id);
      assert.equal(word.payload.state, state);
    }
  }
});

test("a suspended tenant is 403 with the reason, and served again when resumed", async () => {
  const lease = await cell.admin(`/v1/leases/${other.id}/suspend`, { body: { reason: "unpaid" } });
  assert.equal(lease.body["suspended"], true);
  const refused = await cell.call(other, "/v1/stats");
  assert.deepEqual([refused.status, refused.body["code"], refused.body["detail"]], [403, "tenant-suspended", "unpaid"]);
  await cell.admin(`/v1/leases/${other.id}/resume`, { body: {} });
  assert.equal((await cell.call(other, "/v1/stats")).status, 200);
});

test("a frozen tenant is read but not written, until the deadline gives it back", async () => {
  await freeze("1 hour");
  assert.equal((await cell.call(other, "/v1/stats")).status, 200);
  const refused = await cell.call(other, "/v1/events", { body: event("frozen") });
  assert.deepEqual([refused.status, refused.body["code"]], [503, "tenant-frozen"]);
  assert.deepEqual(
    [refused.headers.get("cellplane-not-executed"), refused.headers.get("retry-after")],
    ["tenant-frozen", "1"],
  );
  await freeze("-1 second");
  assert.equal((await cell.call(other, "/v1/events", { body: event("thawed") })).status, 202);
  assert.deepEqual(await cell.sql("SELECT state, freeze_id FROM cellplane.leases WHERE tenant_id = $1", [other.id]), [
    { state: "active", freeze_id: null },
  ]);
});

test("a tombstone answers 421 with the release record", async () => {
  const gone = cell.addTenant("gone");
  await cell.grant(gone);
  await cell.sql(
    "UPDATE cellplane.leases SET state = 'released', epoch = 2, release_record = 'the.signed.word' WHERE tenant_id = $1",
    [gone.id],
  );
  const answer = await cell.call(gone, "/v1/stats");
  assert.deepEqual([answer.status, answer.headers.get("cellplane-release-record")], [421, "the.signed.word"]);
});

test("a grant is idempotent, never goes back, and is refused for ever once the cell said so", async () => {
  assert.equal((await cell.grant(acme)).body["epoch"], 1);
  await cell.sql("UPDATE cellplane.leases SET epoch = 5 WHERE tenant_id = $1", [acme.id]);
  const late = await cell.grant(acme);
  assert.deepEqual([late.status, late.body["code"]], [409, "grant-refused"]);
  await cell.sql("UPDATE cellplane.leases SET epoch = 1 WHERE tenant_id = $1", [acme.id]);

  assert.equal((await cell.admin(`/v1/leases/${nobody.id}`)).body["code"], "no-lease");
  assert.equal((await cell.admin(`/v1/leases/${nobody.id}/refuse`, { body: { epoch: 1 } })).status, 200);
  assert.equal((await cell.grant(nobody)).body["code"], "grant-refused");
  assert.equal((await cell.admin(`/v1/leases/${acme.id}/refuse`, { body: { epoch: 1 } })).body["code"], "lease-held");
});

test("the admin API takes commands of the control plane only", async () => {
  assert.equal((await cell.admin("/v1/leases", { as: [cell.router, "router-1"] })).status, 401);
  assert.equal((await cell.admin("/v1/leases", { as: [cell.plane, "worker"] })).status, 401);
  assert.equal((await fetch(new URL("/v1/leases", cell.url()))).status, 401);
  const wrong = await cell.admin(`/v1/leases/${acme.id}`, {
    method: "PUT",
    body: { epoch: "1", slug: "acme", tier: "pro", synthetic: false },
  });
  assert.deepEqual([wrong.status, wrong.body["code"]], [400, "invalid-request"]);
});

test("the application's role sees one tenant's rows, owns nothing and cannot get round the policies", async () => {
  await cell.call(acme, "/v1/events", { body: event("mine") });
  await cell.call(other, "/v1/events", { body: event("theirs") });
  await asApplication(async (client) => {
    assert.equal((await client.query("SELECT FROM events")).rowCount, 0);
    await client.query(`BEGIN; SELECT cellplane.enter('${acme.id}', 1)`);
    const seen = await client.query<{ tenant_id: string }>("SELECT DISTINCT tenant_id FROM events");
    assert.deepEqual(
      seen.rows.map((row) => row.tenant_id),
      [acme.id],
    );
    assert.equal((await client.query("UPDATE events SET type = 'stolen' WHERE id = 'theirs'")).rowCount, 0);
    await assert.rejects(
      client.query("INSERT INTO events (tenant_id, id, type, user_id, at) VALUES ($1, 'z', 't', 'u', now())", [
        other.id,
      ]),
      /row-level security/,
    );
    await client.query("ROLLBACK");
    // The setting is the transaction's, not the connection's.
    assert.equal((await client.query("SELECT FROM events")).rowCount, 0);
    for (const text of [
      "SELECT FROM cellplane.leases",
      "ALTER TABLE events DISABLE ROW LEVEL SECURITY",
      "TRUNCATE events",
      "SET ROLE cell_owner",
      "CREATE TABLE public.mine (a int)",
    ]) {
      await assert.rejects(client.query(text), /permission denied|must be owner/, text);
    }
  });
  const roles = await cell.sql(
    "SELECT rolname FROM pg_roles WHERE rolname LIKE 'cell\\_%' AND (rolbypassrls OR rolsuper)",
  );
  const owned = await cell.sql("SELECT oid FROM pg_class WHERE relowner = 'cell_app'::regrole");
  assert.deepEqual([roles, owned], [[], []]);
});

test("the fence refuses writes without a tenant, at an old epoch, and under any isolation but READ COMMITTED", async () => {
  const insert = "INSERT INTO events (id, type, user_id, at) VALUES ('f', 't', 'u', now())";
  await asApplication(async (client) => {
    await rejectsWith(client, insert, "CPL04");
    await client.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT cellplane.enter('${acme.id}', 1)`);
    await rejectsWith(client, insert, "CPL05");
    await client.query("ROLLBACK");
    // A writer that was entered before the tenant went away is refused by the lease it reads afterwards.
    await client.query(`BEGIN; SELECT cellplane.enter('${acme.id}', 1)`);
    await cell.sql("UPDATE cellplane.leases SET epoch = 2 WHERE tenant_id = $1", [acme.id]);
    await rejectsWith(client, insert, "CPL01");
    await client.query("ROLLBACK");
    await cell.sql("UPDATE cellplane.leases SET epoch = 1 WHERE tenant_id = $1", [acme.id]);
  });
});

test("a freeze waits for the writer that is under way, and stops the one that comes after", async () => {
  await asApplication(async (writer) => {
    await writer.query(`BEGIN; SELECT cellplane.enter('${acme.id}', 1)`);
    await writer.query("INSERT INTO events (id, type, user_id, at) VALUES ('under-way', 't', 'u', now())");
    const mover = await connect(cell.database.systemUrl, "mover");
    try {
      await mover.query("SET lock_timeout = 100");
      await assert.rejects(mover.query("SELECT pg_advisory_lock(cellplane.lock_key($1))", [acme.id]), {
        code: "55P03",
      });
      await writer.query("COMMIT");
      await mover.query("SELECT pg_advisory_lock(cellplane.lock_key($1))", [acme.id]);
    } finally {
      await mover.end();
    }
  });
});

test("a database of another life serves nobody until it is confirmed", async () => {
  const [life] = await cell.sql<{ incarnation: string }>("SELECT incarnation FROM cellplane.cell");
  await cell.sql("UPDATE cellplane.cell SET incarnation = 'restored'");
  await cell.admin("/v1/status");
  const answer = await cell.call(acme, "/v1/stats");
  assert.deepEqual([answer.status, answer.body["code"]], [503, "incarnation-unconfirmed"]);
  const status = await cell.admin("/v1/status");
  assert.equal(status.body["ready"], false);
  await cell.sql("UPDATE cellplane.cell SET incarnation = $1", [life?.incarnation]);
  await cell.admin("/v1/status");
  assert.equal((await cell.call(acme, "/v1/stats")).status, 200);
});

async function freeze(until: string): Promise<void> {
  await cell.sql(
    "UPDATE cellplane.leases SET state = 'frozen', freeze_id = 'f1', freeze_deadline = now() + $2::interval WHERE tenant_id = $1",
    [other.id, until],
  );
}

async function asApplication(work: (client: Client) => Promise<void>): Promise<void> {
  const client = await connect(cell.database.appUrl, "test");
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

async function rejectsWith(client: Client, text: string, state: string): Promise<void> {
  await assert.rejects(client.query(text), (error) => sqlState(error) === state, `${state} expected`);
}
