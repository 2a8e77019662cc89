import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { grantLease } from "../../../cells/kit/lease.store.ts";
import { TenantDatabase, type Transaction } from "../../../cells/kit/tenant.store.ts";
import { tenantId } from "../../../common/ids.ts";
import { createLog } from "../../../common/log.ts";
import { connect, createPool, sqlState, type Pool } from "../../../common/postgres/pool.ts";
import { uuidv7 } from "../../../common/uuid.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { LeaseCell } from "./lease-bed.ts";

// COMMIT that travels with a write's last statement. A connection's first transactions take a message for each statement, later ones a single message:
// each case is tried on a connection that is new and on one that has prepared everything.
let postgres: TestPostgres;
let cell: LeaseCell;
let pool: Pool;
let database: TenantDatabase;
let told: number;
const acme = tenantId(uuidv7());
const scope = { tenant: acme, epoch: 1 };
const text = "INSERT INTO notes (note) VALUES ($1)";
const last = { last: true } as const;

before(async () => {
  postgres = await startPostgres();
  [cell] = (await LeaseCell.make(postgres, ["cell-1"])) as [LeaseCell];
  await grantLease(cell.system, acme, { epoch: 1, slug: "acme", tier: "pro", synthetic: false });
  const owner = await connect(cell.database.url, "owner");
  await owner.query(`
    CREATE FUNCTION refuse_late() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN IF NEW.note = 'refused at COMMIT' THEN RAISE check_violation; END IF; RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_late()`);
  await owner.end();
});
beforeEach(async () => {
  told = 0;
  const log = createLog("last", "silent");
  pool = createPool({ url: cell.database.appUrl, application: "last", max: 1, pipeline: true, log });
  database = new TenantDatabase(pool, log);
});
after(async () => {
  await cell.stop();
  await postgres.stop();
});

function write<Result>(work: (tx: Transaction) => Promise<Result>, workMayEnd = true): Promise<Result> {
  return database.run(scope, "write", work, {
    beforeCommit: () => (told += 1),
    notCommitted: () => (told -= 1),
    workMayEnd,
  });
}

/** Tries it on a new connection, and then on the same one with everything prepared. */
async function bothWays(story: (name: string) => Promise<void>): Promise<void> {
  await story("new");
  await write((tx) => tx.query(text, ["prepares"]));
  await write((tx) => tx.query(text, ["prepares"], last));
  told = 0;
  await story("prepared");
  // The connection is as good as before, and outside of any transaction.
  const { rows } = await pool.query("SELECT now() = statement_timestamp() AS alone");
  assert.deepEqual(rows, [{ alone: true }]);
  await pool.end();
}

async function noted(note: string): Promise<number> {
  return (await cell.look()).notes(acme).filter((one) => one === note).length;
}

test("a last statement commits what came before it and itself, and tells before it does", () =>
  bothWays(async (name) => {
    const before = told;
    const { rowCount } = await write(async (tx) => {
      await tx.query(text, [`first, ${name}`]);
      assert.equal(told, before);
      const answer = await tx.query(text, [`last, ${name}`], last);
      assert.equal(told, before + 1);
      assert.equal(await noted(`last, ${name}`), 1, "it is there while the work goes on");
      return answer;
    });
    assert.deepEqual([rowCount, told], [1, before + 1]);
    assert.equal(await noted(`first, ${name}`), 1);
  }));

test("its rows come back, and nothing of what went ahead or behind", () =>
  bothWays(async () => {
    const { rows } = await write((tx) => tx.query(`${text} RETURNING note`, ["given back"], last));
    assert.deepEqual(rows, [{ note: "given back" }]);
  }));

test("a last statement that fails commits nothing", () =>
  bothWays(async (name) => {
    const failed = write(async (tx) => {
      await tx.query(text, [`before a failure, ${name}`]);
      await tx.query("INSERT INTO notes (note) VALUES ($1::int::text)", ["no number"], last);
    });
    await assert.rejects(failed, (error) => sqlState(error) === "22P02");
    assert.equal(await noted(`before a failure, ${name}`), 0);
    assert.equal(told, 0, "the database said that nothing happened");
  }));

test("a COMMIT that is refused is an error, and nothing stays", () =>
  bothWays(async () => {
    await assert.rejects(
      write((tx) => tx.query(text, ["refused at COMMIT"], last)),
      (error) => sqlState(error) === "23514",
    );
    assert.equal(await noted("refused at COMMIT"), 0);
  }));

test("a tenant that is not this cell's is refused, and nothing is written", () =>
  bothWays(async (name) => {
    const stranger = database.run(
      { tenant: acme, epoch: 7 },
      "write",
      (tx) => tx.query(text, [`stranger, ${name}`], last),
      { workMayEnd: true, beforeCommit: () => (told += 1), notCommitted: () => (told -= 1) },
    );
    await assert.rejects(stranger, (error) => sqlState(error) === "CPL01");
    assert.equal(await noted(`stranger, ${name}`), 0);
    assert.equal(told, 0, "so that a router may send it to the owner");
  }));

test("an error that was kept quiet before it lets nothing be committed", () =>
  bothWays(async (name) => {
    const kept = write(async (tx) => {
      await tx.query("INSERT INTO notes (note) VALUES ($1::int::text)", ["no number"]).catch(() => undefined);
      await tx.query(text, [`after a failure, ${name}`], last);
    });
    await assert.rejects(kept, (error) => sqlState(error) === "25P02");
    assert.equal(await noted(`after a failure, ${name}`), 0);
    assert.equal(told, 0, "the database said that nothing happened");
  }));

test("nothing comes behind a last statement, and what fails after it leaves it done", () =>
  bothWays(async (name) => {
    const late = write(async (tx) => {
      await tx.query(text, [`done, ${name}`], last);
      await tx.query(text, [`too late, ${name}`]);
    });
    await assert.rejects(late, /the transaction is over/);
    assert.deepEqual([await noted(`done, ${name}`), await noted(`too late, ${name}`)], [1, 0]);
  }));

test("where the kit writes behind the work, a last statement is one as any other", () =>
  bothWays(async (name) => {
    const rolledBack = write(async (tx) => {
      await tx.query(text, [`not the last, ${name}`], last);
      await tx.query(text, [`behind it, ${name}`]);
      assert.equal(told, 0);
      throw new Error("the receipt is somebody else's");
    }, false);
    await assert.rejects(rolledBack, /receipt/);
    assert.deepEqual([await noted(`not the last, ${name}`), await noted(`behind it, ${name}`)], [0, 0]);
  }));
