import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { WorkflowHandleWithFirstExecutionRunId } from "@temporalio/client";
import { TestWorkflowEnvironment } from "@temporalio/testing";
import { DefaultLogger, Runtime, Worker } from "@temporalio/worker";
import type { Migration, Release } from "../../../common/contracts/release.ts";
import {
  type CommandInput,
  type Rollout,
  type RolloutInput,
  temporalNames,
} from "../../../common/contracts/rollout.ts";
import { type RolloutPolicy } from "../../../common/contracts/rollout-policy.ts";
import { systemClock } from "../../../common/clock.ts";
import { operationId, releaseName, type ReleaseName } from "../../../common/ids.ts";
import { uuidv7 } from "../../../common/uuid.ts";
import { planRollout } from "../../../control-plane/rollout/plan.ts";
import { policyWith } from "../../../control-plane/rollout/policy.ts";
import { findTemporal } from "../../../scripts/setup/temporal.ts";
import { findTemporalTestServer } from "../../../scripts/setup/test-servers.ts";
import { createActivities } from "../../../workflows/activities/create.ts";
import { workflowBundle } from "../../../workflows/bundle.ts";
import type { rollout } from "../../../workflows/definitions/rollout.ts";
import { digest, type FakeFleet } from "./fake-fleet.ts";

const logger = new DefaultLogger("ERROR");

/** Temporal's time-skipping test server and what runs against it; gone after `close()`. */
export class Stage {
  readonly environment: TestWorkflowEnvironment;
  readonly #bundle: string;

  private constructor(environment: TestWorkflowEnvironment, bundle: string) {
    this.environment = environment;
    this.#bundle = bundle;
  }

  static async open(): Promise<Stage> {
    Runtime.install({ logger });
    const path = findTemporalTestServer();
    if (path === null) throw new Error("Temporal's time-skipping test server is missing: `npm test` brings it");
    const environment = await TestWorkflowEnvironment.createTimeSkipping({
      server: { executable: { type: "existing-path", path } },
    });
    return new Stage(environment, await bundle());
  }

  /** Temporal itself, in whose time nothing is skipped: for what its test server does not do as it does. */
  static async openReal(): Promise<Stage> {
    Runtime.install({ logger });
    const temporal = findTemporal();
    if (temporal.kind !== "program") throw new Error("Temporal's dev server is missing: `npm test` brings it");
    const environment = await TestWorkflowEnvironment.createLocal({
      server: { executable: { type: "existing-path", path: temporal.path } },
    });
    return new Stage(environment, await bundle());
  }

  async close(): Promise<void> {
    await this.environment.teardown();
    await Runtime.instance().shutdown();
  }

  /** Runs `work` with a worker over the fleet; each call has a task queue of its own. */
  async withWorker<Result>(fleet: FakeFleet, work: (queue: string) => Promise<Result>): Promise<Result> {
    const queue = `test-${uuidv7()}`;
    const worker = await Worker.create({
      connection: this.environment.nativeConnection,
      taskQueue: queue,
      workflowBundle: { codePath: this.#bundle },
      activities: createActivities({
        clock: systemClock,
        driver: fleet.driver,
        registry: fleet.registry,
        synthetic: fleet.synthetic,
        parts: fleet.parts,
        readyWithinMs: 300,
      }),
    });
    return await worker.runUntil(() => work(queue));
  }

  async start(
    queue: string,
    fleet: FakeFleet,
    wishes: Partial<RolloutPolicy> = {},
    to = "pulse@2",
    more: Partial<RolloutInput> = {},
  ): Promise<Handle> {
    const input = {
      operation: operationId(uuidv7()),
      plan: planFor(fleet, to, wishes),
      requestedBy: "tests",
      reason: "a trial",
      ...more,
    };
    return await this.environment.client.workflow.start<typeof rollout>(temporalNames.rolloutWorkflow, {
      workflowId: `${temporalNames.rolloutId("pulse")}/${uuidv7()}`,
      taskQueue: queue,
      args: [input],
    });
  }

  /** Lets time pass, without waiting, until the rollout is as wanted; at most an hour of it. */
  async until(handle: Handle, wanted: (rollout: Rollout) => boolean, stepMs = 1_000): Promise<Rollout> {
    for (let tries = 0; tries < 400; tries += 1) {
      const rollout = await handle.query<Rollout>(temporalNames.stateQuery);
      if (wanted(rollout)) return rollout;
      await this.environment.sleep(stepMs);
      await wait(5);
    }
    throw new Error(`the rollout is ${JSON.stringify(await handle.query(temporalNames.stateQuery))}`);
  }
}

export type Handle = WorkflowHandleWithFirstExecutionRunId<typeof rollout>;

/** The bundle is shared by the test files: it depends on the sources alone. */
export async function bundle(): Promise<string> {
  return await workflowBundle(join(tmpdir(), "cellplane-workflow-bundle"), logger);
}

export async function command(
  handle: Handle,
  name: CommandInput["command"],
  more: Partial<CommandInput> = {},
): Promise<Rollout> {
  const input: CommandInput = { command: name, actor: "anna", reason: null, planHash: null, revision: null, ...more };
  return await handle.executeUpdate<Rollout, [CommandInput]>(temporalNames.commandUpdate, { args: [input] });
}

function planFor(fleet: FakeFleet, to: string, wishes: Partial<RolloutPolicy>) {
  return planRollout({
    application: "pulse",
    release: releaseName(to),
    releases: ["pulse@1", "pulse@2", "pulse@3-bad"].map((name) =>
      releaseOf(releaseName(name), fleet.migrates && name === to ? [migration] : []),
    ),
    cells: fleet.cellIds.map((cell) => ({
      cell,
      region: "eu",
      release: fleet.live[cell] ?? null,
      ring: "default",
      schema: { kit: 0, app: 0 },
      tenants: { free: 1, pro: 1 },
      maintenance: fleet.maintenance[cell] ?? [],
    })),
    policy: policyWith(wishes),
    traffic: fleet.traffic,
  });
}

const migration: Migration = { series: "app", number: 1, name: "step", class: "expand", digest };

function releaseOf(name: ReleaseName, migrations: Migration[]): Release {
  const version = name.slice(name.indexOf("@") + 1);
  return {
    name,
    digest,
    state: "available",
    reason: null,
    createdAt: new Date(0).toISOString(),
    manifest: {
      name,
      application: "pulse",
      version,
      runtime: "v24.21.0",
      files: [],
      migrations,
      configuration: {},
      aggregates: [],
    },
  };
}
