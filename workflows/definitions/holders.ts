import { proxyActivities, sleep } from "@temporalio/workflow";
import type { CellDeployResult, RolloutInput } from "../../common/contracts/rollout.ts";
import type { CellRecord } from "./cell-child.ts";
import type { Journal } from "./journal.ts";
import { recordOptions } from "./options.ts";
import type { RolloutSteps } from "./steps.ts";

const record = proxyActivities<RolloutSteps>(recordOptions);

/** Moves and backups end without telling; nobody else is asked this often. */
export const askHolderAgainMs = 15_000;

/** Another operation holds a cell: the rollout says so, and waits. */
export function waitForHolder(journal: Journal, reason: string): void {
  journal.learn({ kind: "waits", for: "moves", until: null, reason }, { reason });
}

/** Asked while a holder is waited for: takes the cells if they are free now, which ends the wait. @returns whether it is over. */
export async function isFree(input: RolloutInput, journal: Journal): Promise<boolean> {
  const isWaiting = (): boolean => journal.progress.waitingFor === "moves";
  const { wave } = journal.progress;
  const wanted = journal.cells.filter((cell) => wave === null || (cell.wave === wave && cell.step === "pending"));
  const { heldBy } = await record.takeCells({ operation: input.operation, cells: idsOf(wanted) });
  if (!isWaiting()) return true;
  if (heldBy === journal.progress.reason) return false;
  journal.learn({ kind: "wait-over" });
  if (heldBy === null) return true;
  waitForHolder(journal, heldBy);
  return false;
}

/**
 * Whether the rollout still holds the cells that it is about to change. An evacuation outranks it: then it takes back what is free, and waits for the rest.
 */
export async function holdsItsCells(
  input: RolloutInput,
  journal: Journal,
  cells: readonly CellRecord[],
): Promise<boolean> {
  const lost = await record.lostCells({ operation: input.operation, cells: idsOf(cells) });
  if (lost.length === 0) return true;
  const { heldBy } = await record.takeCells({ operation: input.operation, cells: lost });
  if (heldBy === null) return true;
  waitForHolder(journal, heldBy);
  return false;
}

/** Before cells go back: those that somebody took meanwhile are waited for. A roll-back has no other state to wait in. */
export async function untilFree(input: RolloutInput, journal: Journal, cells: readonly CellRecord[]): Promise<void> {
  const { operation } = input;
  let told: string | null = null;
  for (;;) {
    const lost = await record.lostCells({ operation, cells: idsOf(cells) });
    if (lost.length === 0) return;
    const { heldBy } = await record.takeCells({ operation, cells: lost });
    if (heldBy === null) return;
    if (heldBy !== told) journal.remember("waits-for-cells", heldBy);
    told = heldBy;
    await sleep(askHolderAgainMs);
  }
}

/** Whether a cell was taken by who outranks the rollout before it was touched: no failure of anybody's. */
export function gaveWay({ code, step }: CellDeployResult): boolean {
  return step === "rolled-back" && (code === "claim-lost" || code === "claim-outranked");
}

function idsOf(cells: readonly CellRecord[]) {
  return cells.map(({ cell }) => cell).toSorted();
}
