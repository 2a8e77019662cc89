import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { apiPools, tenantTimeouts } from "../../../cells/limits.ts";
import { CellUnderTest, type TestTenant } from "./cell-under-test.ts";

// docs/decisions/0029: which limits there are, and why. Here a live cell is asked whether they hold.

let cell: CellUnderTest;
let acme: TestTenant;

before(async () => {
  cell = await CellUnderTest.start();
  const release = await cell.release("tests/integration/cells/limits-application", "1");
  acme = cell.addTenant("acme");
  await cell.migrate(release);
  await cell.startApi(release, "a", 60_000);
  await cell.startWorker(release);
  assert.equal((await cell.grant(acme)).status, 200);
});
after(async () => cell?.stop());

/** `5s`, `4500ms` → milliseconds. */
const ms = (text: string | undefined): number =>
  text?.endsWith("ms") ? Number.parseInt(text) : Number.parseInt(text ?? "") * 1_000;

test("a tenant's transaction runs as the unprivileged role under every limit", async () => {
  const { body } = await cell.call(acme, "/v1/settings");
  const settings = body as Record<string, string>;
  assert.equal(settings["current_user"], "cell_app");
  assert.deepEqual(
    {
      transactionMs: ms(settings["transaction_timeout"]),
      statementMs: ms(settings["statement_timeout"]),
      lockMs: ms(settings["lock_timeout"]),
      idleInTransactionMs: ms(settings["idle_in_transaction_session_timeout"]),
    },
    tenantTimeouts,
  );
  assert.equal(settings["max_parallel_workers_per_gather"], "0");
});

test("a statement that takes too long is 503, nothing done, and its connection serves on", async () => {
  const late = await cell.call(acme, "/v1/slow?seconds=60");
  assert.deepEqual([late.status, late.body["code"]], [503, "transaction-too-long"]);
  assert.equal((await cell.call(acme, "/v1/slow?seconds=0")).status, 200);
});

test("a process opens no more connections than its pools hold, however many ask at once", async () => {
  const crowd = Promise.all(Array.from({ length: 40 }, () => cell.call(acme, "/v1/slow?seconds=0.2")));
  let most = 0;
  let over = false;
  const watch = (async () => {
    while (!over) {
      const [row] = await cell.sql<{ connections: number }>(
        "SELECT count(*) AS connections FROM pg_stat_activity WHERE usename = 'cell_app' AND application_name = 'cell-1-api-a'",
      );
      most = Math.max(most, row?.connections ?? 0);
    }
  })();
  const answers = await crowd;
  over = true;
  await watch;
  assert.ok(answers.some(({ status }) => status === 200));
  assert.ok(answers.every(({ status }) => status === 200 || status === 503 || status === 429));
  assert.ok(most > 1 && most <= apiPools.app, `${most} connections of ${apiPools.app}`);
});

test("the kit's own connections are bounded too, and all of a slot leave room for a second one, a migration and a person", async () => {
  const rows = await cell.sql<{ name: string; connections: number }>(
    `SELECT application_name AS name, count(*) AS connections FROM pg_stat_activity
     WHERE usename IN ('cell_app', 'cell_system') GROUP BY application_name`,
  );
  const of = (name: string): number => rows.find((row) => row.name === name)?.connections ?? 0;
  assert.ok(of("cell-1-api-a-system") <= apiPools.system && of("cell-1-api-a-system") > 0, JSON.stringify(rows));
  const [limit] = await cell.sql<{ most: number }>("SELECT current_setting('max_connections')::int AS most");
  const all = rows.reduce((sum, { connections }) => sum + connections, 0);
  assert.ok(all * 2 + 10 <= (limit?.most ?? 0), `${all} of ${limit?.most}`);
});
