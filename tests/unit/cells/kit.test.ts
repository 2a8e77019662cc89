import assert from "node:assert/strict";
import { test } from "node:test";
import { CellSamples } from "../../../cells/kit/samples.ts";
import { isDatabaseAway, isRefusal } from "../../../cells/kit/database-errors.ts";
import { pauseBeforeRetryMs } from "../../../cells/kit/queue/retries.ts";
import { Type, defineCellApp, defineJob } from "../../../cells/kit/kit.ts";
import { cellId, releaseName } from "../../../common/ids.ts";
import { systemClock } from "../../../common/clock.ts";

test("pauses between tries double, stay within bounds, and are spread", () => {
  assert.deepEqual(
    [1, 2, 3, 4].map((tries) => pauseBeforeRetryMs(tries, 1)),
    [1_000, 2_000, 4_000, 8_000],
  );
  assert.equal(pauseBeforeRetryMs(1, 0), 500);
  assert.equal(pauseBeforeRetryMs(1_000, 1), 300_000);
});

test("samples count real and synthetic answers apart, by bucket, errors from 500 on", () => {
  const samples = new CellSamples(cellId("cell-1"), releaseName("pulse@1"), systemClock);
  samples.count(false, 200, 0.4);
  samples.count(false, 503, 12);
  samples.count(false, 429, 99_999);
  samples.count(true, 500, 1);
  const [real, synthetic] = samples.read().counters;
  assert.deepEqual([real?.requests, real?.errors, synthetic?.requests, synthetic?.errors], [3, 1, 1, 1]);
  assert.deepEqual([real?.latency[0], real?.latency[6], real?.latency.at(-1)], [1, 1, 1]);
});

test("a lost connection counts as the database's absence, an error of the application does not", () => {
  const refused = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  for (const error of [
    refused,
    new Error("Connection terminated unexpectedly"),
    new Error("timeout exceeded when trying to connect"),
  ]) {
    assert.ok(isDatabaseAway(error) && isRefusal(error), error.message);
  }
  for (const error of [new Error("no"), new TypeError("x is undefined"), "text", null])
    assert.equal(isDatabaseAway(error), false);
});

test("an application whose jobs share name and version is refused", () => {
  const job = defineJob({ name: "j", version: 1, payload: Type.Object({}), run: async () => undefined });
  const app = {
    name: "a",
    settings: Type.Object({}),
    migrations: { needs: 1 },
    routes: async () => undefined,
    aggregates: {},
  };
  assert.throws(() => defineCellApp({ ...app, jobs: [job, { ...job }] }), /defined twice/);
  assert.equal(defineCellApp({ ...app, jobs: [job, { ...job, version: 2 }] }).jobs.length, 2);
});
