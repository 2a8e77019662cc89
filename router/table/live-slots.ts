import type { CellRow } from "../../common/contracts/fleet.ts";
import type { Slot } from "../../common/contracts/lease.ts";
import type { CellId } from "../../common/ids.ts";
import type { RoutingTable, TableListener } from "./table.ts";

export const otherSlot = (slot: Slot): Slot => (slot === "a" ? "b" : "a");

/**
 * Which slot of a cell is live, as far as this router knows. The document gives a hint; the cell's own answers are the truth and correct it at
 * once. The hint counts again only when it changes, so that a stale document does not undo what an answer said.
 */
export class LiveSlots implements TableListener {
  readonly #live = new Map<CellId, Slot>();
  readonly #onTurn: (cell: CellId, left: Slot) => void;

  /** @param onTurn called when the live slot of a cell is another now; `left` is the one that was live. */
  constructor(table: RoutingTable, onTurn: (cell: CellId, left: Slot) => void) {
    this.#onTurn = onTurn;
    table.listen(this);
  }

  of(cell: CellId): Slot {
    return this.#live.get(cell) ?? "a";
  }

  /** The cell itself named its live slot. */
  heard(cell: CellId, slot: Slot): void {
    const before = this.#live.get(cell);
    if (before === slot) return;
    this.#live.set(cell, slot);
    if (before !== undefined) this.#onTurn(cell, before);
  }

  cellChanged(cell: CellId, row: CellRow | null, before: CellRow | null): void {
    if (row === null) this.#live.delete(cell);
    else if (before?.liveSlot !== row.liveSlot) this.heard(cell, row.liveSlot);
  }
}
