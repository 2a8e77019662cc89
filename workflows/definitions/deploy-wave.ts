import { condition, patched, proxyActivities } from "@temporalio/workflow";
import { holdBack, openCells } from "../../control-plane/rollout/hold.ts";
import { isHeld } from "../../control-plane/rollout/progress.ts";
import { usualCellsAtOnce } from "../../control-plane/rollout/policy.ts";
import type { CellDeployResult, RolloutInput } from "../../common/contracts/rollout.ts";
import { type CellRecord, deployForward } from "./cell-child.ts";
import { gaveWay, holdsItsCells } from "./holders.ts";
import type { Journal } from "./journal.ts";
import { untilLineRuns } from "./line.ts";
import { catchUp, leaveOutGone } from "./members.ts";
import { isLong } from "./next-run.ts";
import { recordOptions } from "./options.ts";
import type { RolloutSteps } from "./steps.ts";

const record = proxyActivities<RolloutSteps>(recordOptions);

/**
 * Brings the release to the cells of the wave at hand that do not have it yet, when approvals, windows and the blast radius allow it. A pause, a halt or a
 * roll-back lets cells in mid-change settle and begins no others.
 */
export async function deployWave(input: RolloutInput, journal: Journal): Promise<void> {
  const { wave } = journal;
  // Rollouts that began before cells could come and go ask nobody.
  if (journal.progress.waveByWave && journal.deployBegan(wave.number) === null) await leaveOutGone(input, journal);
  const isEnding = (): boolean => journal.progress.ending !== null;
  const pendingNow = (): readonly CellRecord[] =>
    journal.cells.filter((cell) => cell.wave === wave.number && isPending(cell));
  for (;;) {
    if (isLong(input, journal)) return;
    if (pendingNow().length > 0) {
      if (journal.abilities.commands) await untilLineRuns(journal, isEnding);
      await condition(() => !isHeld(journal.progress) || isEnding());
      if (journal.abilities.yields && !isEnding() && !(await holdsItsCells(input, journal, pendingNow()))) return;
    }
    if (isEnding()) return journal.settle();
    // Commands may have changed what is pending meanwhile.
    const pending = pendingNow();
    if (pending.length === 0) return await done(input, journal);

    const waits = wave.cells.filter(({ cell }) => pending.some((one) => one.cell === cell));
    const now = new Date().getTime();
    const untouched = journal.deployBegan(wave.number) === null;
    const hold = holdBack(input.plan, journal.progress, waits, untouched, journal.exposed, now);
    if (hold !== null) return journal.learn(hold, "reason" in hold ? { reason: hold.reason } : {});

    journal.waveBegins(wave);
    journal.waveIs(wave.number, "deploying");
    const isForced = journal.progress.forcedWaves.includes(wave.number);
    const open = new Set(openCells(input.plan.policy, waits, isForced, now).map(({ cell }) => cell));
    const due = pending.filter(({ cell }) => open.has(cell));
    const atOnce = input.plan.policy.cellsAtOnce ?? usualCellsAtOnce;
    const results =
      due.length > atOnce && patched("places")
        ? await inPlaces(input, journal, due, atOnce)
        : await Promise.all(due.slice(0, atOnce).map((cell) => deployForward(input, journal, cell)));
    for (const { cell } of results.filter((result) => journal.abilities.yields && gaveWay(result)))
      journal.cellIs(cell, "pending");
    const failed = intolerable(input, journal, results);
    if (failed !== null) return await failWave(input, journal, failed, results);
  }
}

/**
 * Cells in so many places: who is done leaves its own to the next, so that one slow cell holds up nobody. When a cell fails, somebody holds the rollout, or a cell's
 * window has closed, those under way settle and no others are begun.
 */
async function inPlaces(
  input: RolloutInput,
  journal: Journal,
  due: readonly CellRecord[],
  places: number,
): Promise<readonly CellDeployResult[]> {
  const queue = [...due];
  const results: CellDeployResult[] = [];
  const next = (): CellRecord | undefined => {
    const { ending, forcedWaves } = journal.progress;
    if (ending !== null || isHeld(journal.progress) || results.some(({ step }) => step !== "deployed"))
      return undefined;
    // The history has become long: those under way settle, and the rest is the next run's.
    if (isLong(input, journal)) return undefined;
    const first = queue.shift();
    const cell = journal.cells.find((one) => one.cell === first?.cell);
    const planned = journal.wave.cells.filter((one) => one.cell === first?.cell);
    const isForced = forcedWaves.includes(journal.wave.number);
    const isOpen = openCells(input.plan.policy, planned, isForced, new Date().getTime()).length > 0;
    return cell !== undefined && isPending(cell) && isOpen ? cell : undefined;
  };
  const place = async (): Promise<void> => {
    for (let cell = next(); cell !== undefined; cell = next()) results.push(await deployForward(input, journal, cell));
  };
  await Promise.all(Array.from({ length: places }, place));
  return results;
}

function isPending({ step }: CellRecord): boolean {
  return step !== "deployed" && step !== "skipped";
}

/** All of the wave's cells are settled. A wave in which none could be changed has nothing to show. */
async function done(input: RolloutInput, journal: Journal): Promise<void> {
  const { number, cells } = journal.wave;
  if (journal.deployedIn(number).length > 0) return journal.learn({ kind: "wave-deployed" });
  if (cells.every(({ cell }) => journal.isGone(cell) || journal.isLeftOut(cell))) {
    journal.waveIs(number, "skipped");
    await catchUp(input, journal);
    if (journal.progress.ending !== null) return journal.settle();
    return journal.learn({ kind: "wave-empty" });
  }
  const reason = `no cell of wave ${number} could be changed`;
  journal.waveIs(number, "failed");
  journal.learn({ kind: "wave-failed", reason }, { reason });
}

/**
 * The failure that ends the wave; null where there is none, or only so many as the policy tolerates: cells that are as before, by no fault of the
 * release. Those are left out.
 */
function intolerable(
  input: RolloutInput,
  journal: Journal,
  results: readonly CellDeployResult[],
): CellDeployResult | null {
  const failures = results.filter(
    (result) => result.step !== "deployed" && !(journal.abilities.yields && gaveWay(result)),
  );
  const grave = failures.find(({ step, releaseAtFault }) => releaseAtFault || step !== "rolled-back");
  if (grave !== undefined) return grave;
  const before = journal.cells.filter(
    ({ wave, step, cell }) => wave === journal.wave.number && step === "skipped" && !journal.isLeftOut(cell),
  ).length;
  if (before + failures.length > (input.plan.policy.toleratedFailures ?? 0)) return failures[0] ?? null;
  for (const { cell, error } of failures) journal.cellIs(cell, "skipped", error);
  return null;
}

async function failWave(
  input: RolloutInput,
  journal: Journal,
  failed: CellDeployResult,
  results: readonly CellDeployResult[],
): Promise<void> {
  const reason = `${failed.cell}: ${failed.error ?? "the release could not be deployed"}`;
  journal.waveIs(journal.wave.number, "failed");
  if (results.some(({ releaseAtFault }) => releaseAtFault))
    await record.quarantineRelease({ release: input.plan.release, reason });
  journal.learn({ kind: "wave-failed", reason }, { cell: failed.cell, reason });
}
