import type { Clock } from "../../common/clock.ts";
import type { ClaimCells, CommandKind, DirectCommand, HeldCells, WantedCell } from "../../common/contracts/claims.ts";
import type { CellId } from "../../common/ids.ts";
import { operationId, type OperationId } from "../../common/ids.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { uuidv7 } from "../../common/uuid.ts";
import { change, type Cause, type Change } from "./change.ts";
import { holdCells } from "./claims.ts";
import { claimsOf, commandLapsesSeconds, deleteClaims, type ClaimMode } from "./claims.store.ts";
import { endCommand, findRelocation, insertCommand, noteDirect, type Relocation } from "./commands.store.ts";

type Wiring = { readonly pool: Pool; readonly clock: Clock };

/** A cell's restore takes the cell from under everybody; the others work beside each other, never beside a rollout. */
const modes: Record<CommandKind, ClaimMode> = {
  backup: "shared",
  "cell-restore": "exclusive",
  "tenant-restore": "shared",
};

/** Begins the operation that a command carries out itself, in the transaction of what belongs to it. @throws claim-taken, unknown-cell */
export async function beginCommand(
  step: Change,
  cause: Cause,
  wish: { readonly kind: CommandKind; readonly cells: readonly WantedCell[]; readonly relocation: Relocation | null },
  now: number,
): Promise<OperationId> {
  const operation = operationId(uuidv7(now));
  await insertCommand(step.tx, operation, { ...wish, requestedBy: cause.actor });
  const seen = new Map<CellId, number>(wish.cells.map((cell) => [cell.cell, cell.seen]));
  await holdCells(step, { operation, cells: [...seen.keys()].toSorted(), mode: modes[wish.kind], seen });
  return operation;
}

/** Has a command hold cells while it works in them. @throws claim-taken, unknown-cell */
export async function claimCells(wiring: Wiring, cause: Cause, wish: ClaimCells): Promise<HeldCells> {
  const { result } = await change(wiring, cause, async (step) => {
    const operation = await beginCommand(step, cause, { ...wish, relocation: null }, wiring.clock.now());
    const target = wish.cells.map(({ cell }) => cell).join(", ");
    // A restore is announced by itself, with the moment that is wanted.
    if (wish.kind === "backup") step.audit("cell.backup", target, { operation, reason: wish.reason ?? null });
    return heldBy(step, operation);
  });
  return result;
}

/** What an operation holds, as its command is told. */
export async function heldBy(step: Change, operation: OperationId): Promise<HeldCells> {
  return {
    operation,
    claims: await claimsOf(step.tx, operation),
    lapsesAfterSeconds: commandLapsesSeconds,
  };
}

/** Ends a command's operation and gives its cells back; again it changes nothing. A relocation that is open holds on to them until it is settled. */
export async function endClaims(wiring: Wiring, cause: Cause, operation: OperationId): Promise<void> {
  await change(wiring, cause, async (step) => {
    if ((await findRelocation(step.tx, operation)) !== null) return;
    await endCommand(step.tx, operation);
    await deleteClaims(step.tx, operation);
  });
}

/** Writes into the audit what was done past the control plane, once for each deed. @returns whether it was news. */
export async function tellDirect(wiring: Wiring, cause: Cause, deed: DirectCommand): Promise<boolean> {
  const { result } = await change(wiring, cause, async (step) => {
    if (!(await noteDirect(step.tx, deed.id))) return false;
    const reason = `done directly by ${deed.user} at ${deed.at}: ${deed.reason}`;
    step.audit(deed.action, deed.target, { reason });
    return true;
  });
  return result;
}
