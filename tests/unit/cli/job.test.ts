import assert from "node:assert/strict";
import { test } from "node:test";
import { discardJob, listJobs, replayJobs, showJob } from "../../../cli/actions/job.ts";
import type { Context } from "../../../cli/context.ts";
import type { ControlPlane } from "../../../cli/control-plane.ts";

const id = "01980c2e-7c3f-7b1e-9d3f-4d8f0f6a2b11";
const summary = {
  id,
  job: "roll-up",
  version: 2,
  tries: 3,
  crashes: 3,
  priority: "normal",
  error: "JobInterrupted",
  createdAt: "2026-01-01T00:00:00.000Z",
  lastTryAt: null,
  diedAt: "2026-01-01T00:10:00.000Z",
};

/** A context whose control plane answers from a script, and what it was asked. */
function scripted(...answers: unknown[]): { readonly context: Context; readonly asked: string[] } {
  const asked: string[] = [];
  const answer = async (method: string, path: string, body?: unknown): Promise<never> => {
    asked.push([method, path, ...(body === undefined ? [] : [JSON.stringify(body)])].join(" "));
    return answers.shift() as never;
  };
  const plane = {
    get: async (path: string) => answer("GET", path),
    post: async (path: string, body?: unknown) => answer("POST", path, body),
  } as unknown as ControlPlane;
  return { context: { controlPlane: async () => plane } as unknown as Context, asked };
}

test("job list shows the queue in numbers, a line a letter, and how to go on", async () => {
  const queue = { waiting: 4, inFlight: 1, dead: 61, oldestSeconds: 75 };
  const { context, asked } = scripted({ queue, letters: [summary], next: id });
  const { json, text } = await listJobs(context, { tenant: "acme", limit: 1 });
  assert.deepEqual(asked, ["GET /v1/tenants/acme/jobs?limit=1"]);
  assert.deepEqual(json, { queue, letters: [summary], next: id });
  assert.match(text, /^4 waiting, 1 in flight, 61 dead; the oldest has been due for 1m 15s\./);
  assert.match(text, /roll-up@2 +3 +2026-01-01T00:10:00\.000Z +JobInterrupted/);
  assert.match(text, new RegExp(`--after ${id}$`));
  const last = scripted({ queue, letters: [], next: null });
  assert.match((await listJobs(last.context, { tenant: "acme", limit: 50, after: id })).text, /none$/);
  assert.deepEqual(last.asked, [`GET /v1/tenants/acme/jobs?limit=50&after=${id}`]);
});

test("job show prints the causes of the error and the payload, or says who may see them", async () => {
  const errors = [
    { name: "Error", message: "not shipped", stack: ["at ship (app.ts:1:1)"] },
    { name: "TypeError", message: "no address", code: "E1" },
  ];
  const full = await showJob(scripted({ ...summary, payload: { order: 7 }, errors }).context, { tenant: "acme", id });
  assert.match(
    full.text,
    /error {2}Error: not shipped\n +at ship \(app\.ts:1:1\)\nbecause TypeError \[E1\]: no address/,
  );
  assert.match(full.text, /payload\n\{\n {2}"order": 7\n\}$/);
  assert.match(full.text, /3, of which 3 ended the worker's process/);
  const bare = await showJob(scripted(summary).context, { tenant: "acme", id });
  assert.match(bare.text, /JobInterrupted; more of it, and the payload, an operator may see$/);
});

test("job replay --all goes on until as many ran again as there were, and not for ever", async () => {
  const { context, asked } = scripted(
    { replayed: 500, remaining: 300 },
    // Two hundred died again meanwhile.
    { replayed: 300, remaining: 200 },
  );
  const { json } = await replayJobs(context, { tenant: "acme", all: true });
  assert.deepEqual(json, { replayed: 800, remaining: 200 });
  assert.equal(asked.length, 2);
  const one = scripted({ replayed: 1, remaining: 0 });
  await replayJobs(one.context, { tenant: "acme", id });
  assert.deepEqual(one.asked, [`POST /v1/tenants/acme/jobs/${id}/replay`]);
});

test("job replay wants one job or --all, not both and not neither", async () => {
  for (const input of [{ tenant: "acme" }, { tenant: "acme", id, all: true }])
    await assert.rejects(replayJobs(scripted().context, input), { code: "usage" });
});

test("job discard sends its reason", async () => {
  const { context, asked } = scripted({ id, discarded: true });
  await discardJob(context, { tenant: "acme", id, reason: "cancelled" });
  assert.deepEqual(asked, [`POST /v1/tenants/acme/jobs/${id}/discard {"reason":"cancelled"}`]);
});
