import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { deadlineHeader } from "../../../common/contracts/headers.ts";
import type { Problem } from "../../../common/contracts/problem.ts";
import type { Coverage } from "../../../common/contracts/rollups.ts";
import { cellId } from "../../../common/ids.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { AggregatorStage, answers, dead, eventsRow, silent, tenant, withoutAggregate } from "./support/stage.ts";

let postgres: TestPostgres;
let stage: AggregatorStage;
before(async () => {
  postgres = await startPostgres();
});
after(async () => {
  await postgres.stop();
});
beforeEach(async () => {
  stage = await AggregatorStage.open(await postgres.freshDatabase(), [
    { id: "cell-1", region: "eu" },
    { id: "cell-2", region: "us" },
    { id: "cell-3", region: "eu" },
  ]);
  for (const [n, id] of ["cell-1", "cell-2", "cell-3"].entries()) {
    stage.cell(id).handler = answers(cellId(id), [
      { tenant: tenant(n + 1), value: (n + 1) * 10, tier: n === 0 ? "pro" : "free" },
    ]);
  }
});
afterEach(async () => {
  await stage.close();
});

const all = ["cell-1", "cell-2", "cell-3"];

test("asked live, the answer contains every cell and says so", async () => {
  const answer = await stage.query("events?by=cell");
  assert.deepEqual(answer.rows, [
    { key: "cell-3", value: 30 },
    { key: "cell-2", value: 20 },
    { key: "cell-1", value: 10 },
  ]);
  assert.equal(answer.total, 60);
  const { asOf, ...lists } = answer.coverage;
  assert.deepEqual(lists, { complete: true, expected: all, answered: all, stale: [], failed: [] });
  assert.deepEqual(Object.keys(asOf), all);
  assert.deepEqual((await stage.query("events?by=tier")).rows, [
    { key: "free", value: 50 },
    { key: "pro", value: 10 },
  ]);
  assert.deepEqual((await stage.query("events?by=region")).rows, [
    { key: "eu", value: 40 },
    { key: "us", value: 20 },
  ]);
});

test("a dead cell is filled in from what it pushed and named stale; one that never pushed is named failed", async () => {
  await stage.ship("cell-2", 1, [eventsRow(2, 7)]);
  stage.cell("cell-2").handler = dead;
  stage.cell("cell-3").handler = dead;
  const { rows, total, coverage } = await stage.query("events?by=cell");
  assert.deepEqual(rows, [
    { key: "cell-1", value: 10 },
    { key: "cell-2", value: 7 },
  ]);
  assert.equal(total, 17);
  const { asOf, ...lists } = coverage;
  assert.deepEqual(lists, {
    complete: false,
    expected: all,
    answered: ["cell-1"],
    stale: ["cell-2"],
    failed: ["cell-3"],
  });
  assert.notEqual(asOf["cell-2"], null);
  assert.equal(asOf["cell-3"], null);
});

test("a slow cell costs at most two seconds in all, is told how long it has, and the others are in the answer", async () => {
  let told = 0;
  stage.cell("cell-2").handler = (request) => {
    told = Number(request.headers[deadlineHeader]);
    silent(request, undefined as never);
  };
  const began = performance.now();
  const { coverage, total } = await stage.query("events?by=cell");
  assert.ok(performance.now() - began < 2_300, `it took ${performance.now() - began} ms`);
  assert.ok(told > 1_000 && told <= 1_500, `the cell was told ${told} ms`);
  assert.deepEqual(coverage.failed, ["cell-2"]);
  assert.equal(total, 40);
});

test("a cell that keeps failing is left alone for a while, so that later answers do not wait for it", async () => {
  stage.cell("cell-2").handler = silent;
  for (let n = 0; n < 3; n += 1) await stage.query("events");
  const asked = stage.cell("cell-2").asked;
  const began = performance.now();
  const { coverage } = await stage.query("events");
  assert.ok(performance.now() - began < 500);
  assert.equal(stage.cell("cell-2").asked, asked);
  assert.deepEqual(coverage.failed, ["cell-2"]);
});

test("whoever demands all gets a refusal that names the missing cells, never a smaller number", async () => {
  assert.equal((await stage.query("events?completeness=all")).total, 60);
  await stage.ship("cell-3", 1, [eventsRow(3, 30)]);
  stage.cell("cell-2").handler = dead;
  stage.cell("cell-3").handler = dead;
  const response = await stage.get("/v1/query/events?completeness=all");
  assert.equal(response.status, 503);
  const problem = (await response.json()) as Problem & { coverage: Coverage };
  assert.equal(problem.code, "incomplete");
  assert.match(problem.detail, /cell-3, cell-2/);
  assert.deepEqual(problem.coverage.failed, ["cell-2"]);
});

test("a tenant in a move that two cells tell of is counted once, at the highest epoch", async () => {
  stage.cell("cell-1").handler = answers(cellId("cell-1"), [{ tenant: tenant(1), value: 10, epoch: 4 }]);
  stage.cell("cell-2").handler = answers(cellId("cell-2"), [{ tenant: tenant(1), value: 11, epoch: 5 }]);
  const { rows } = await stage.query("events?by=cell");
  assert.deepEqual(rows, [
    { key: "cell-3", value: 30 },
    { key: "cell-2", value: 11 },
  ]);
});

test("synthetic tenants are in no total", async () => {
  stage.cell("cell-1").handler = answers(cellId("cell-1"), [
    { tenant: tenant(1), value: 10 },
    { tenant: tenant(9), value: 500, tier: "synthetic" },
  ]);
  assert.equal((await stage.query("events")).total, 60);
});

test("a cell whose values are not of the kind that the question wants is not believed at all", async () => {
  stage.cell("cell-2").handler = answers(cellId("cell-2"), [
    { tenant: tenant(2), value: "many" },
    { tenant: tenant(4), value: 1 },
  ]);
  const { total, coverage } = await stage.query("events");
  assert.equal(total, 40);
  assert.deepEqual(coverage.failed, ["cell-2"]);
});

test("from rollups alone, a cell not heard for a while is stale, and no cell is asked", async () => {
  const old = new Date(Date.now() - 60_000).toISOString();
  await stage.ship("cell-1", 1, [eventsRow(1, 10)]);
  await stage.ship("cell-2", 1, [eventsRow(2, 20)], { asOf: old });
  const { total, coverage } = await stage.query("events?source=rollup");
  assert.equal(total, 30);
  const { asOf, ...lists } = coverage;
  assert.deepEqual(lists, {
    complete: false,
    expected: all,
    answered: ["cell-1"],
    stale: ["cell-2"],
    failed: ["cell-3"],
  });
  assert.equal(asOf["cell-2"], old);
  assert.equal(
    all.reduce((sum, id) => sum + stage.cell(id).asked, 0),
    0,
  );
});

test("any aggregate that the cells' application declares can be asked for; one that does not add up is refused", async () => {
  const one = stage.cell("cell-1");
  for (const cell of stage.cells.values()) cell.handler = withoutAggregate;
  one.handler = answers(one.id, [{ tenant: tenant(1), value: 4 }], "sum");
  const { name, rows, coverage } = await stage.query("notes?by=cell");
  assert.deepEqual([name, rows, coverage.answered], ["notes", [{ key: "cell-1", value: 4 }], ["cell-1"]]);
  assert.deepEqual(
    [coverage.complete, coverage.failed],
    [false, ["cell-2", "cell-3"]],
    "in a rollout, cells yet without it",
  );
  one.handler = answers(one.id, [{ tenant: tenant(1), value: 4 }], "max");
  const refused = await stage.get("/v1/query/longest");
  assert.deepEqual([refused.status, ((await refused.json()) as Problem).code], [422, "not-additive"]);
});

test("unknown questions, spans and members are clear refusals", async () => {
  const codeOf = async (path: string): Promise<unknown> => {
    const response = await stage.get(`/v1/query/${path}`);
    return [response.status, ((await response.json()) as Problem).code];
  };
  for (const cell of stage.cells.values()) cell.handler = withoutAggregate;
  for (let times = 0; times < 4; times += 1)
    assert.deepEqual(
      await codeOf("revenue"),
      [404, "unknown-query"],
      "a cell that says so has answered, however often",
    );
  assert.deepEqual(await codeOf("constructor"), [404, "unknown-query"]);
  assert.deepEqual(await codeOf("No%20Name"), [400, "invalid-request"]);
  assert.deepEqual(await codeOf("events?by=moon"), [400, "invalid-request"]);
  assert.deepEqual(await codeOf("events?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"), [400, "bad-span"]);
  assert.deepEqual(await codeOf("events?from=yesterday"), [400, "invalid-request"]);
});

test("it is ready with a database and a fleet", async () => {
  assert.equal((await stage.get("/healthz")).status, 200);
  assert.equal((await stage.get("/readyz")).status, 200);
});
