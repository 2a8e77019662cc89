import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  defineSignal,
  getExternalWorkflowHandle,
  isCancellation,
  patched,
  proxyActivities,
  proxyLocalActivities,
  rootCause,
  sleep,
  workflowInfo,
} from "@temporalio/workflow";
import type { Slot } from "../../common/contracts/lease.ts";
import type { CellDeployInput, CellDeployResult, CellStep } from "../../common/contracts/rollout.ts";
import type { CellId } from "../../common/ids.ts";
import { backOptions, forwardOptions, quickOptions, quickRecordOptions, recordOptions } from "./options.ts";
import type { CellReport, CellSteps, ReleaseRef } from "./steps.ts";

/** A cell's word to the rollout it belongs to: which step it is at. */
export const cellStepSignal = defineSignal<[{ cell: CellId; step: CellStep }]>("cell-step");

const forward = proxyActivities<CellSteps>(forwardOptions);
const back = proxyActivities<CellSteps>(backOptions);
const record = proxyActivities<CellSteps>(recordOptions);
const quick = proxyLocalActivities<CellSteps>(quickOptions);
const quickRecord = proxyLocalActivities<CellSteps>(quickRecordOptions);

type QuickSteps = Pick<CellSteps, "inspectCell" | "smokeTest" | "publishLive">;

/** Cells that began before there were quick steps go on with the others. */
function quickSteps(): QuickSteps {
  if (!patched("quick-steps"))
    return { inspectCell: forward.inspectCell, smokeTest: forward.smokeTest, publishLive: record.publishLive };
  return { inspectCell: quick.inspectCell, smokeTest: quick.smokeTest, publishLive: quickRecord.publishLive };
}

const looksBefore = 10;
const lookEvery = "3 seconds";
const triesBack = 10;
const pauseBack = "10 seconds";

type Undo = () => Promise<void>;

/**
 * Brings a release to one cell while the cell serves: check, install, expand-migrate, start beside the old one, smoke, switch, drain and
 * stop the old. What would undo a step is registered before the step. Bringing a cell back is the same with the earlier
 * release, without migrations and with more patience.
 * @returns `deployed` (or `rolled-back`, where back was the direction); with an `error`, `rolled-back` says that the cell is as before and
 * `failed` that it is not, or that it could not be brought back.
 */
export async function deployCell(input: CellDeployInput): Promise<CellDeployResult> {
  const undo: Undo[] = [];
  try {
    return await (input.direction === "forward" ? bringIn(input, undo) : bringBack(input, undo));
  } catch (error) {
    const reason = reasonOf(error);
    const releaseAtFault = blamesRelease(error);
    const code = codeOf(error);
    const said = code === undefined ? {} : { code };
    await CancellationScope.nonCancellable(() => tell(input, "rolling-back"));
    try {
      await CancellationScope.nonCancellable(async () => {
        for (const step of undo.toReversed()) await step();
      });
    } catch (undoError) {
      const both = `${reason} Restoring the cell: ${reasonOf(undoError)}`;
      return { cell: input.cell, step: "failed", slot: null, error: both, releaseAtFault, ...said };
    }
    const step = input.direction === "forward" ? "rolled-back" : "failed";
    return { cell: input.cell, step, slot: null, error: reason, releaseAtFault, ...said };
  }
}

async function bringIn(input: CellDeployInput, undo: Undo[]): Promise<CellDeployResult> {
  const { cell, operation } = input;
  const release: ReleaseRef = { name: input.to, digest: input.digest };
  await tell(input, "checking");
  const steps = quickSteps();
  const report = await checkBefore(input, steps);
  const [old, slot] = slotsFor(report, input);

  await forward.installRelease({ cell, release, operation });
  const oldServed = await serves(input, steps, old, slot);
  await tell(input, "migrating");
  await forward.migrateCell({ cell, release, operation, migrations: input.migrations ?? [] });
  await tell(input, "starting");
  undo.push(() => back.retireSlot({ cell, slot, drain: false, operation }));
  if (old !== slot) await forward.startRelease({ cell, release, slot, operation });
  await forward.awaitReady({ cell, release, slot });
  await tell(input, "smoke");
  await steps.smokeTest({ cell, slot, release: input.to });
  if (input.from !== null && oldServed) await steps.smokeTest({ cell, slot: old, release: input.from });
  await switchOver(input, old, slot, undo, steps);
  return { cell, step: "deployed", slot, error: await retireOld(input, slot), releaseAtFault: false };
}

/**
 * Whether the old release passes its own smoke test before the schema changes. Only then does it say something about the new schema afterwards: a
 * release that serves badly must not stand in the way of the one that mends it.
 */
async function serves(
  { cell, from, sameSchema }: CellDeployInput,
  steps: QuickSteps,
  old: Slot,
  slot: Slot,
): Promise<boolean> {
  if (from === null || old === slot || sameSchema === true) return false;
  if (!patched("old-release-before")) return true;
  try {
    await steps.smokeTest({ cell, slot: old, release: from });
    return true;
  } catch (error) {
    if (isCancellation(error)) throw error;
    return false;
  }
}

async function bringBack(input: CellDeployInput, undo: Undo[]): Promise<CellDeployResult> {
  const { cell, operation } = input;
  const release: ReleaseRef = { name: input.to, digest: input.digest };
  await tell(input, "rolling-back");
  const [old, slot] = slotsFor(await back.inspectCell({ cell }), input);
  await patiently(async () => {
    await back.installRelease({ cell, release, operation });
    if (old !== slot) await back.startRelease({ cell, release, slot, operation });
    await back.awaitReady({ cell, release, slot });
  });
  await switchOver(input, old, slot, undo, record);
  return { cell, step: "rolled-back", slot, error: await retireOld(input, slot), releaseAtFault: false };
}

/** A release that ran before runs again, if only what it needs is back: no failure is final until it has been met this often. */
async function patiently(step: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await step();
    } catch (error) {
      if (tries === triesBack) throw error;
    }
    await sleep(pauseBack);
  }
}

/** Makes `slot` the live one and says so to the registry. The cell itself is the truth; the registry only publishes it. */
async function switchOver(
  input: CellDeployInput,
  old: Slot,
  slot: Slot,
  undo: Undo[],
  { publishLive }: Pick<CellSteps, "publishLive">,
): Promise<void> {
  const { cell, from, to, operation } = input;
  await tell(input, "switching");
  if (old !== slot) {
    if (input.direction === "forward") {
      undo.push(async () => {
        await back.switchSlot({ cell, from: slot, to: old, operation });
        if (from !== null) await record.publishLive({ cell, slot: old, release: from });
      });
    }
    const steps = input.direction === "forward" ? forward : back;
    await steps.switchSlot({ cell, from: old, to: slot, operation });
  }
  await publishLive({ cell, slot, release: to });
}

/**
 * From here nothing is undone: the new release is live, verified and published. An old process that does not end is told about, and
 * stopped by the next deployment at the latest, which needs its slot.
 */
async function retireOld(input: CellDeployInput, live: Slot): Promise<string | null> {
  const { cell, operation } = input;
  await CancellationScope.nonCancellable(() => tell(input, "draining"));
  try {
    await CancellationScope.nonCancellable(() =>
      back.retireSlot({ cell, slot: otherSlot(live), drain: true, operation }),
    );
    return null;
  } catch (error) {
    return `The old release still runs beside the new one: ${reasonOf(error)}`;
  }
}

/** The slot that is live now and the one that the release belongs in: the same one, where it is live already. */
function slotsFor(report: CellReport, input: CellDeployInput): readonly [Slot, Slot] {
  const live = report.liveSlot;
  return [live, report.slots[live].release === input.to ? live : otherSlot(live)];
}

/** A cell that is to be changed runs what the plan says and is healthy; one that is just restarting is given half a minute. */
async function checkBefore({ cell, from, to }: CellDeployInput, steps: QuickSteps): Promise<CellReport> {
  for (let look = 1; ; look += 1) {
    const report = await steps.inspectCell({ cell });
    const { release, ready, problems } = report.slots[report.liveSlot];
    if (release !== from && release !== to) {
      const found = `${cell} runs ${release ?? "nothing"}, the plan says ${from ?? "nothing"}.`;
      throw ApplicationFailure.nonRetryable(found, "plan-outdated");
    }
    if (ready || release === null) return report;
    if (look === looksBefore) {
      const why = `${cell} is not healthy before the deployment: ${problems.join("; ")}.`;
      throw ApplicationFailure.nonRetryable(why, "cell-not-healthy");
    }
    await sleep(lookEvery);
  }
}

function otherSlot(slot: Slot): Slot {
  return slot === "a" ? "b" : "a";
}

async function tell({ cell, silent }: CellDeployInput, step: CellStep): Promise<void> {
  if (silent === true) return;
  const { parent } = workflowInfo();
  if (parent === undefined) return;
  await getExternalWorkflowHandle(parent.workflowId, parent.runId).signal(cellStepSignal, { cell, step });
}

/** Codes of failures that another try with the same release would meet again. */
const faultsOfReleases: ReadonlySet<string> = new Set([
  "process-unhealthy",
  "release-not-ready",
  "release-corrupt",
  "migration-failed",
  "smoke-failed",
]);

function blamesRelease(error: unknown): boolean {
  return faultsOfReleases.has(codeOf(error) ?? "");
}

function codeOf(error: unknown): string | undefined {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return cause instanceof ApplicationFailure ? (cause.type ?? undefined) : undefined;
}

function reasonOf(error: unknown): string {
  return rootCause(error) ?? String(error);
}
