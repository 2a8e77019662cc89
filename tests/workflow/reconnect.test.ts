import { systemClock } from "../../common/clock.ts";
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { Client, Connection } from "@temporalio/client";
import { DefaultLogger, Runtime } from "@temporalio/worker";
import { temporalNames } from "../../common/contracts/rollout.ts";
import { operationId, releaseName } from "../../common/ids.ts";
import { createLog } from "../../common/log.ts";
import { uuidv7 } from "../../common/uuid.ts";
import { findTemporalTestServer } from "../../scripts/setup/test-servers.ts";
import { createActivities } from "../../workflows/activities/create.ts";
import { TemporalWorker } from "../../workflows/temporal-worker.ts";
import { freePort } from "../support/ports.ts";
import { bundle } from "./support/environment.ts";
import { digest, FakeFleet } from "./support/fake-fleet.ts";

const running: ChildProcess[] = [];
after(() => {
  for (const server of running) server.kill("SIGKILL");
});

function startServer(port: number): ChildProcess {
  const path = findTemporalTestServer();
  if (path === null) throw new Error("Temporal's time-skipping test server is missing: `npm test` brings it");
  const server = spawn(path, [String(port)], { stdio: "ignore" });
  running.push(server);
  return server;
}

async function until(what: () => boolean): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if (what()) return;
    await wait(50);
  }
  throw new Error("it did not happen within 30 s");
}

/** Deploys to the one cell by its child workflow, as an operation that holds the cell would, and waits for the outcome. */
async function deploy(fleet: FakeFleet, port: number, from: string, to: string): Promise<string> {
  const operation = operationId(uuidv7());
  await fleet.registry.takeClaims(operation, fleet.cellIds, new Map());
  const connection = await Connection.connect({ address: `127.0.0.1:${port}` });
  try {
    const input = {
      operation,
      wave: 1,
      cell: "cell-1",
      from: releaseName(from),
      to: releaseName(to),
      digest,
      direction: "forward",
    };
    const options = { workflowId: uuidv7(), taskQueue: temporalNames.taskQueue, args: [input] };
    const result = (await new Client({ connection }).workflow.execute(temporalNames.cellWorkflow, options)) as {
      step: string;
    };
    return result.step;
  } finally {
    await connection.close();
    await fleet.registry.dropClaims(operation);
  }
}

test("the worker waits for Temporal, works for it, and comes back after Temporal was killed", async (context) => {
  Runtime.install({
    logger: new DefaultLogger("ERROR"),
    telemetryOptions: { logging: { filter: { core: "ERROR", other: "ERROR" }, forward: {} } },
  });
  const fleet = new FakeFleet(1, "pulse@1");
  const port = await freePort();
  const worker = new TemporalWorker({
    address: `127.0.0.1:${port}`,
    identity: "worker",
    activities: createActivities({
      clock: systemClock,
      driver: fleet.driver,
      registry: fleet.registry,
      synthetic: fleet.synthetic,
      parts: fleet.parts,
      readyWithinMs: 300,
    }),
    bundle,
    log: createLog("worker", "silent"),
  });
  worker.start();
  context.after(async () => {
    await worker.stop();
    assert.equal(worker.state, "stopped");
    await Runtime.instance().shutdown();
  });
  await wait(500);
  assert.equal(worker.state, "connecting");

  const first = startServer(port);
  await until(() => worker.state === "running");
  assert.equal(await deploy(fleet, port, "pulse@1", "pulse@2"), "deployed");
  assert.deepEqual(fleet.live, { "cell-1": "pulse@2" });

  const gone = once(first, "exit");
  first.kill("SIGKILL");
  await gone;
  await wait(1_000);
  startServer(port);
  await until(() => worker.state === "running");
  assert.equal(await deploy(fleet, port, "pulse@2", "pulse@1"), "deployed");
  assert.deepEqual(fleet.live, { "cell-1": "pulse@1" });
});
