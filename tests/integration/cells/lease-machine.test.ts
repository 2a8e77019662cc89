import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ReleaseRecord } from "../../../common/contracts/lease.ts";
import { connect } from "../../../common/postgres/pool.ts";
import { signToken, verifyToken } from "../../../common/tokens.ts";
import { uuidv7 } from "../../../common/uuid.ts";
import { CellUnderTest, type TestTenant } from "./cell-under-test.ts";
import { until, type Answer } from "./http-call.ts";

// The lease machine on the admin API of two real cells: what a mover, a zombie of it, and a router may do, and what not.
let source: CellUnderTest;
let destination: CellUnderTest;

before(async () => {
  source = await CellUnderTest.start({ id: "cell-1" });
  destination = await CellUnderTest.start({ id: "cell-2", of: source });
  for (const cell of [source, destination]) {
    const release = await cell.release("cells/pulse", "1");
    await cell.migrate(release);
    await cell.startApi(release);
  }
});
after(async () => {
  await source.stop();
  await destination.stop();
});

let moves = 0;

/** One move of a fresh tenant, step by step. */
class Move {
  readonly tenant: TestTenant;
  readonly operation = uuidv7();
  attempt = 0;
  freeze = "";

  private constructor(tenant: TestTenant) {
    this.tenant = tenant;
  }

  static async ofNewTenant(): Promise<Move> {
    const move = new Move(source.addTenant(`tenant-${++moves}`));
    assert.equal((await source.grant(move.tenant)).status, 200);
    return move;
  }

  step(cell: CellUnderTest, verb: string, more: object = {}): Promise<Answer> {
    const body = { operation: this.operation, attempt: this.attempt, ...more };
    return cell.admin(`/v1/leases/${this.tenant.id}/${verb}`, { body });
  }

  async begin(): Promise<Answer> {
    const taken = await this.next();
    this.attempt = Number(taken.body["attempt"]);
    return taken;
  }

  next = (operation = this.operation): Promise<Answer> =>
    source.admin(`/v1/leases/${this.tenant.id}/attempt`, { body: { operation } });

  import = (more: object = {}): Promise<Answer> => {
    const { slug, tier, synthetic } = this.tenant;
    return this.step(destination, "import", { epoch: 2, source: source.id, slug, tier, synthetic, ...more });
  };

  async froze(): Promise<Answer> {
    const frozen = await this.step(source, "freeze");
    this.freeze = String(frozen.body["freeze"]);
    await source.holdFreeze(this.tenant);
    return frozen;
  }

  ready = (more: object = {}): Promise<Answer> => this.step(destination, "ready", { freeze: this.freeze, ...more });

  release(more: object = {}): Promise<Answer> {
    const url = destination.url();
    const slot = { url, adminUrl: url, workerUrl: url };
    return this.step(source, "release", {
      freeze: this.freeze,
      destination: destination.id,
      addresses: { a: slot, b: slot },
      ...more,
    });
  }

  activate = (record: string, cell = destination): Promise<Answer> =>
    cell.admin(`/v1/leases/${this.tenant.id}/activate`, { body: { record } });

  /** Up to and with the release. @returns the release record. */
  async given(): Promise<string> {
    await this.begin();
    for (const step of [this.import, () => this.froze(), this.ready, () => this.release()])
      assert.equal((await step()).status, 200);
    const held = await source.admin(`/v1/leases/${this.tenant.id}`);
    return String(held.body["releaseRecord"]);
  }

  async stateAt(cell: CellUnderTest): Promise<unknown> {
    const { body } = await cell.admin(`/v1/leases/${this.tenant.id}`);
    return body["state"] ?? body["code"];
  }
}

const refused = (answer: Answer, code: string): void =>
  assert.deepEqual([answer.status >= 400, answer.body["code"]], [true, code]);

const write = (cell: CellUnderTest, tenant: TestTenant, epoch: number, headers = {}): Promise<Answer> =>
  cell.call(tenant, "/v1/events", {
    epoch,
    headers,
    body: { events: [{ id: uuidv7(), type: "t", user: "u", at: "2026-03-01T00:00:00Z" }] },
  });

test("a tenant goes from cell to cell: each step leads on from the one before, and may be said twice", async () => {
  const move = await Move.ofNewTenant();
  const { tenant } = move;
  assert.deepEqual((await move.begin()).body["attempt"], 1);
  for (const again of [1, 2]) {
    assert.equal((await move.import()).body["state"], "importing", `import ${again}`);
  }
  refused(await write(destination, tenant, 2), "not-owned-here");

  const frozen = await move.froze();
  assert.equal(frozen.body["state"], "frozen");
  assert.ok(Date.parse(String(frozen.body["freezeDeadline"])) > 0);
  assert.equal((await move.step(source, "freeze")).body["freeze"], move.freeze);
  refused(await write(source, tenant, 1), "tenant-frozen");
  assert.equal((await source.call(tenant, "/v1/stats")).status, 200);

  for (const again of [1, 2]) assert.equal((await move.ready()).body["state"], "ready", `ready ${again}`);
  const released = await move.release();
  assert.deepEqual([released.body["state"], released.body["epoch"]], ["released", 2]);
  const token = String(released.body["releaseRecord"]);
  assert.equal((await move.release()).body["releaseRecord"], token);
  const { payload } = await verifyToken(token, {
    type: "cp-release-record",
    schema: ReleaseRecord,
    keys: () => source.cellKey.publicKey,
  });
  assert.deepEqual(
    [payload.tenant, payload.from, payload.destination, payload.epoch, payload.operation, payload.freeze],
    [tenant.id, source.id, destination.id, 2, move.operation, move.freeze],
  );
  assert.equal(payload.addresses.a.url, destination.url());

  const tombstone = await write(source, tenant, 1);
  assert.deepEqual([tombstone.status, tombstone.headers.get("cellplane-release-record")], [421, token]);
  for (const again of [1, 2]) assert.equal((await move.activate(token)).body["state"], "active", `activate ${again}`);
  assert.equal((await write(destination, tenant, 2)).status, 202);
  assert.equal((await write(destination, tenant, 1)).status, 421);
});

test("fault 28: the first request that bears the record activates the destination, with nobody else alive", async () => {
  const move = await Move.ofNewTenant();
  const record = await move.given();
  assert.equal(await move.stateAt(destination), "ready");
  assert.equal((await write(destination, move.tenant, 2)).status, 421);
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => write(destination, move.tenant, 2, { "cellplane-release-record": record })),
  );
  assert.deepEqual(
    answers.map(({ status }) => status),
    [202, 202, 202, 202, 202],
  );
  assert.equal(await move.stateAt(destination), "active");
  assert.equal((await write(source, move.tenant, 1)).status, 421);
});

test("only the source's own record, for this cell, tenant, operation and freeze, opens a lease", async () => {
  const move = await Move.ofNewTenant();
  const other = await Move.ofNewTenant();
  const record = await move.given();
  const foreign = await other.given();
  const claims = JSON.parse(Buffer.from(record.split(".")[1] ?? "", "base64url").toString()) as Record<string, unknown>;
  const forge = (changes: object, signer = destination.cellKey): Promise<string> =>
    signToken("cp-release-record", { ...claims, ...changes }, signer);
  for (const [what, token] of [
    ["another tenant's", foreign],
    ["signed by the destination in the source's name", await forge({})],
    ["signed by the destination in its own name", await forge({ from: destination.id })],
    ["signed by the control plane", await forge({}, source.plane)],
    ["of another freeze", await forge({ freeze: "other" }, source.cellKey)],
    ["of another operation", await forge({ operation: uuidv7() }, source.cellKey)],
    ["at a higher epoch", await forge({ epoch: 9 }, source.cellKey)],
    ["for another cell", await forge({ destination: "cell-3" }, source.cellKey)],
    ["rubbish", "rubbish"],
  ] as const) {
    refused(await move.activate(token), "record-refused");
    const request = await write(destination, move.tenant, 2, { "cellplane-release-record": token });
    assert.equal(request.status, 421, what);
  }
  refused(await move.activate(record, source), "record-refused");
  assert.equal((await move.activate(record)).body["state"], "active");
});

test("a newer attempt thaws what an older one froze, and shuts the older one out of both cells", async () => {
  const move = await Move.ofNewTenant();
  await move.begin();
  await move.import();
  await move.froze();
  await move.ready();
  const [zombie, freeze] = [move.attempt, move.freeze];

  const taken = await move.begin();
  assert.deepEqual([taken.body["state"], taken.body["attempt"], taken.body["freeze"]], ["active", 2, null]);
  assert.equal((await write(source, move.tenant, 1)).status, 202);
  const asZombie = { attempt: zombie, freeze };
  refused(await move.step(source, "freeze", { attempt: zombie }), "attempt-outranked");
  refused(await move.release(asZombie), "attempt-outranked");
  refused(await move.step(source, "thaw", asZombie), "attempt-outranked");
  assert.equal((await move.import()).body["state"], "importing");
  refused(await move.ready(asZombie), "attempt-outranked");
  refused(await move.import({ attempt: zombie }), "attempt-outranked");
  refused(await move.step(destination, "abort", { attempt: zombie }), "attempt-outranked");
  refused(await move.ready({ operation: uuidv7() }), "attempt-outranked");
  assert.equal(await move.stateAt(destination), "importing");
});

test("the same attempt drains again under a new freeze; a reopening that comes late changes nothing", async () => {
  const move = await Move.ofNewTenant();
  await move.begin();
  await move.import();
  await move.froze();
  await move.ready();
  const first = move.freeze;
  assert.equal((await move.step(source, "thaw", { freeze: first })).body["state"], "active");
  await move.froze();
  assert.notEqual(move.freeze, first);
  refused(await move.ready(), "lease-moved-on");
  refused(await move.import(), "lease-moved-on");
  assert.equal((await move.import({ reopen: first })).body["state"], "importing");
  await move.ready();
  refused(await move.import({ reopen: first }), "lease-moved-on");
  // What was frozen first cannot be released any more.
  refused(await move.release({ freeze: first }), "lease-moved-on");
  assert.equal((await move.release()).body["state"], "released");
});

test("an aborted import leaves nothing, and no attempt from before begins it again", async () => {
  const move = await Move.ofNewTenant();
  await move.begin();
  await move.import();
  const zombie = move.attempt;
  await move.begin();
  assert.deepEqual((await move.step(destination, "abort")).body, { lease: null });
  assert.equal(await move.stateAt(destination), "no-lease");
  refused(await move.import({ attempt: zombie }), "attempt-outranked");
  refused(await move.import(), "attempt-outranked");
  await move.begin();
  assert.equal((await move.import()).body["state"], "importing");
  assert.equal(await move.stateAt(source), "active");
  assert.equal((await write(source, move.tenant, 1)).status, 202);
});

test("after the release nothing goes back: the mover learns of it by its next attempt, and an abort of the destination is refused once it is active", async () => {
  const move = await Move.ofNewTenant();
  const record = await move.given();
  const taken = await move.next();
  assert.deepEqual([taken.body["state"], taken.body["releaseRecord"]], ["released", record]);
  assert.equal((await move.step(source, "thaw", { freeze: move.freeze })).body["state"], "released");
  refused(await move.next(uuidv7()), "lease-moved-on");
  await move.activate(record);
  refused(await move.step(destination, "abort"), "lease-moved-on");
  refused(await source.grant(move.tenant), "grant-refused");
});

test("a tombstone gives way to an import at a higher epoch only, speaks until then, and comes back when that is aborted", async () => {
  const move = await Move.ofNewTenant();
  const record = await move.given();
  await move.activate(record);
  const { id, slug, tier, synthetic } = move.tenant;
  const back = (verb: string, more: object): Promise<Answer> =>
    source.admin(`/v1/leases/${id}/${verb}`, { body: { operation: uuidv7(), attempt: 1, ...more } });
  const operation = uuidv7();
  const import_ = { operation, source: destination.id, slug, tier, synthetic };
  refused(await back("import", { ...import_, epoch: 2 }), "lease-moved-on");
  assert.equal((await back("import", { ...import_, epoch: 3 })).body["state"], "importing");
  const meanwhile = await write(source, move.tenant, 1);
  assert.deepEqual([meanwhile.status, meanwhile.headers.get("cellplane-release-record")], [421, record]);
  const restored = (await back("abort", { operation })).body["lease"] as Record<string, unknown>;
  assert.deepEqual([restored["state"], restored["epoch"], restored["releaseRecord"]], ["released", 2, record]);
});

test("a freeze that nobody ends is over at its deadline, without any request; the late release then fails", async () => {
  const move = await Move.ofNewTenant();
  await move.begin();
  await move.import();
  const frozen = await move.step(source, "freeze");
  move.freeze = String(frozen.body["freeze"]);
  await move.ready();
  await until("the tenant is thawed", async () => (await move.stateAt(source)) === "active", 60_000);
  refused(await move.release(), "lease-moved-on");
  assert.equal((await write(source, move.tenant, 1)).status, 202);
});

test("a freeze waits at most 250 ms for a write under way, gives up with a clear answer, and comes again", async () => {
  const move = await Move.ofNewTenant();
  await move.begin();
  const writer = await connect(source.database.appUrl, "writer");
  try {
    await writer.query(`BEGIN; SELECT cellplane.enter('${move.tenant.id}', 1)`);
    await writer.query("INSERT INTO events (id, type, user_id, at) VALUES ('under-way', 't', 'u', now())");
    const busy = await move.froze();
    assert.deepEqual([busy.status, busy.body["code"], busy.headers.get("retry-after")], [503, "lease-busy", "1"]);
    assert.equal(await move.stateAt(source), "active");
    await writer.query("COMMIT");
    assert.equal((await move.froze()).body["state"], "frozen");
  } finally {
    await writer.end();
  }
});

test("a suspension stands beside all that: it survives freeze and thaw, and comes along", async () => {
  const move = await Move.ofNewTenant();
  await source.admin(`/v1/leases/${move.tenant.id}/suspend`, { body: { reason: "unpaid" } });
  await move.begin();
  await move.import();
  const frozen = await move.froze();
  assert.deepEqual([frozen.body["suspended"], frozen.body["reason"]], [true, "unpaid"]);
  const thawed = await move.step(source, "thaw", { freeze: move.freeze });
  assert.deepEqual([thawed.body["state"], thawed.body["suspended"]], ["active", true]);
  await move.froze();
  await move.ready({ suspended: true, reason: "unpaid" });
  const { body } = await move.release();
  const active = await move.activate(String(body["releaseRecord"]));
  assert.deepEqual([active.body["state"], active.body["suspended"], active.body["reason"]], ["active", true, "unpaid"]);
  refused(await destination.call(move.tenant, "/v1/stats", { epoch: 2 }), "tenant-suspended");
});
