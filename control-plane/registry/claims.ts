import type { CellId, OperationId } from "../../common/ids.ts";
import { fail } from "../errors.ts";
import { lockCells } from "./cells.store.ts";
import type { Change } from "./change.ts";
import { claimsOn, insertClaims, type Claim, type ClaimMode } from "./claims.store.ts";

/** Each sharer works in the cell's database; more at once would be felt by its tenants. */
const mostSharers = 4;

export interface ClaimWish {
  readonly operation: OperationId;
  readonly cells: readonly CellId[];
  readonly mode: ClaimMode;
  /** The highest token that each cell itself has seen: new ones are above it. */
  readonly seen: ReadonlyMap<CellId, number>;
}

/**
 * Has an operation hold cells, all or none; does nothing where it does. Who holds a cell exclusively holds it alone; sharers share it among themselves.
 * @throws claim-taken, naming who holds a cell; unknown-cell
 */
export async function holdCells(step: Change, { operation, cells, mode, seen }: ClaimWish): Promise<void> {
  const known = await lockCells(step.tx, cells);
  const unknown = cells.find((cell) => !known.some(({ id }) => id === cell));
  if (unknown !== undefined) throw fail("unknown-cell", `There is no cell ${unknown}.`);
  const claims = await claimsOn(step.tx, cells);
  const others = claims.filter((claim) => claim.operation !== operation);
  const other =
    others.find((claim) => mode === "exclusive" || claim.mode === "exclusive") ??
    others.find(({ cell }) => others.filter((claim) => claim.cell === cell).length >= mostSharers);
  if (other !== undefined) throw fail("claim-taken", `${other.cell} is held by ${holderOf(other)}.`);
  const missing = cells.filter((cell) => !claims.some((claim) => claim.cell === cell && claim.operation === operation));
  const live = others.filter(({ cell }) => missing.includes(cell));
  if (missing.length > 0) await insertClaims(step.tx, operation, { cells: missing, mode, seen }, live);
}

function holderOf({ kind, operation, release, requestedBy }: Claim): string {
  const what = release === null ? `a ${kind.replace("-", " ")}` : `the rollout of ${release}`;
  return `${what} (operation ${operation}) that ${requestedBy} asked for`;
}
