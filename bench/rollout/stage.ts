import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, Connection, type WorkflowHandleWithFirstExecutionRunId } from "@temporalio/client";
import { DefaultLogger, Runtime } from "@temporalio/worker";
import { digestOf, sha256 } from "../../common/canonical.ts";
import { systemClock } from "../../common/clock.ts";
import type { Slot } from "../../common/contracts/lease.ts";
import type { Release, ReleaseManifest } from "../../common/contracts/release.ts";
import type { RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import { type Rollout, type RolloutPlan, temporalNames } from "../../common/contracts/rollout.ts";
import { operationId, releaseName } from "../../common/ids.ts";
import { createLog } from "../../common/log.ts";
import { uuidv7 } from "../../common/uuid.ts";
import { planRollout } from "../../control-plane/rollout/plan.ts";
import { policyWith } from "../../control-plane/rollout/policy.ts";
import { findTemporal } from "../../scripts/setup/temporal.ts";
import { freePort } from "../../tests/support/ports.ts";
import {
  type DriverStep,
  simulatedAddress,
  SimulatedCells,
  simulatedRouter,
} from "../../tests/support/simulated-cells.ts";
import { bundle } from "../../tests/workflow/support/environment.ts";
import { FakeFleet } from "../../tests/workflow/support/fake-fleet.ts";
import { createActivities } from "../../workflows/activities/create.ts";
import type { RegistryPort } from "../../workflows/activities/ports.ts";
import type { rollout } from "../../workflows/definitions/rollout.ts";
import { TemporalWorker } from "../../workflows/temporal-worker.ts";

/** How long a cell's steps take, in milliseconds: 20 s in all, as planning assumes. */
export const twentySeconds: Readonly<Record<DriverStep, number>> = {
  installRelease: 3_000,
  migrate: 3_000,
  startRelease: 5_000,
  switchSlot: 1_000,
  drain: 5_000,
  stopRelease: 3_000,
};

export interface Rolled {
  readonly plan: RolloutPlan;
  readonly tookMs: number;
  readonly end: Rollout;
  /** Cells that did not end as they should, or were changed more or less than once. */
  readonly wrong: number;
  readonly handle: WorkflowHandleWithFirstExecutionRunId<typeof rollout>;
}

const connectWithinMs = 30_000;

/** Temporal's dev server and the product's worker, in this process; cells and registry are models in memory. */
export class RolloutStage {
  readonly client: Client;
  readonly #address: string;
  readonly #connection: Connection;
  readonly #server: ChildProcess;

  private constructor(server: ChildProcess, address: string, connection: Connection) {
    this.#server = server;
    this.#address = address;
    this.#connection = connection;
    this.client = new Client({ connection });
  }

  static async open(): Promise<RolloutStage> {
    const temporal = findTemporal();
    if (temporal.kind !== "program") throw new Error("Temporal's dev server is missing: `npm start` brings it");
    Runtime.install({ logger: new DefaultLogger("ERROR"), shutdownSignals: [] });
    const port = await freePort();
    const args = ["server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", String(port)];
    const server = spawn(temporal.path, [...args, "--log-level", "error"], { stdio: "ignore" });
    await once(server, "spawn");
    const address = `127.0.0.1:${port}`;
    return new RolloutStage(server, address, await connected(address));
  }

  /** Brings a second release to so many cells, with a worker of its own, to the end. */
  async roll(cells: number, stepMs: (step: DriverStep) => number, wishes: Partial<RolloutPolicy>): Promise<Rolled> {
    const fleet = new FakeFleet(cells, "pulse@1");
    const models = new SimulatedCells({ cells: fleet.cellIds, releases: manifests, stepMs, read });
    await models.provision();
    const plan = planFor(fleet, wishes);
    const worker = new TemporalWorker({
      address: this.#address,
      identity: "worker",
      activities: createActivities({
        clock: systemClock,
        driver: models.driver,
        registry: registryOf(fleet, models),
        synthetic: models.synthetic,
        parts: models.parts,
        readyWithinMs: 10_000,
      }),
      bundle,
      log: createLog("worker", "error"),
    });
    worker.start();
    while (!(await worker.isReachable())) await sleep(100);
    try {
      const operation = operationId(uuidv7());
      const began = performance.now();
      const handle = await this.client.workflow.start<typeof rollout>(temporalNames.rolloutWorkflow, {
        workflowId: `${temporalNames.rolloutId("pulse")}/${uuidv7()}`,
        taskQueue: temporalNames.taskQueue,
        args: [{ operation, plan, requestedBy: "bench", reason: null }],
      });
      const end = await handle.result();
      const tookMs = performance.now() - began;
      return { plan, tookMs, end, wrong: await wrongIn(models, end), handle };
    } finally {
      await worker.stop();
    }
  }

  async close(): Promise<void> {
    await this.#connection.close();
    this.#server.kill("SIGKILL");
    await once(this.#server, "exit");
    await Runtime.instance().shutdown();
  }
}

/** The registry of the workflow tests, without their keeping of every word; it answers what the models are. */
function registryOf(fleet: FakeFleet, models: SimulatedCells): RegistryPort {
  const live = async (id: (typeof fleet.cellIds)[number]) => {
    const { liveSlot, slots: at } = await models.driver.status(id);
    return { liveSlot, release: at[liveSlot].release };
  };
  let revision = 0;
  return {
    ...fleet.registry,
    saveRollout: async (told) => {
      revision = Math.max(revision, told.revision);
    },
    routers: async () => [simulatedRouter],
    cells: async () => await Promise.all(fleet.cellIds.map(async (id) => ({ id, ...(await live(id)) }))),
    cell: async (id) => {
      const at = (slot: Slot) => {
        const address = simulatedAddress(id, slot);
        return { url: address, adminUrl: address, workerUrl: address };
      };
      return { id, slots: { a: at("a"), b: at("b") }, ...(await live(id)) };
    },
    publishLive: async () => undefined,
  };
}

async function wrongIn(models: SimulatedCells, end: Rollout): Promise<number> {
  const changes = Map.groupBy(models.effects, (effect) => effect.slice(0, effect.indexOf(":")));
  const bad = end.cells.filter(({ cell, step }) => step !== "deployed" || changes.get(cell)?.length !== 3);
  const standing = (await models.standing()).filter((text) => !text.endsWith(": pulse@2"));
  return bad.length + standing.length + (end.state === "completed" ? 0 : 1);
}

const manifests = [1, 2].map((version): ReleaseManifest => ({
  name: releaseName(`pulse@${version}`),
  application: "pulse",
  version: String(version),
  runtime: "v24.21.0",
  files: [{ path: "api.mjs", digest: sha256(`release ${version}`), bytes: 9, executable: false }],
  migrations: [],
  configuration: {},
  aggregates: [],
}));

async function read(digest: string): Promise<AsyncIterable<Uint8Array>> {
  const text = [1, 2].map((version) => `release ${version}`).find((one) => sha256(one) === digest) ?? "";
  return (async function* content() {
    yield Buffer.from(text);
  })();
}

function planFor(fleet: FakeFleet, wishes: Partial<RolloutPolicy>): RolloutPlan {
  return planRollout({
    application: "pulse",
    release: releaseName("pulse@2"),
    releases: manifests.map((manifest): Release => ({
      name: manifest.name,
      digest: digestOf(manifest),
      state: "available",
      reason: null,
      createdAt: new Date(0).toISOString(),
      manifest,
    })),
    cells: fleet.cellIds.map((cell) => ({
      cell,
      region: "eu",
      ring: "default",
      release: releaseName("pulse@1"),
      schema: { kit: 0, app: 0 },
      tenants: { free: 10, pro: 1 },
    })),
    policy: policyWith(wishes),
    traffic: [],
  });
}

async function connected(address: string): Promise<Connection> {
  const until = performance.now() + connectWithinMs;
  for (;;) {
    try {
      return await Connection.connect({ address });
    } catch (error) {
      if (performance.now() > until) throw error;
      await sleep(100);
    }
  }
}
