import type { CellRow, TenantRow } from "../../common/contracts/fleet.ts";
import type { Breakers } from "../guard/breaker.ts";
import type { Kept } from "../guard/kept.ts";
import type { CheckedHead } from "../guard/head.ts";
import type { Visitor } from "../guard/visitors.ts";
import type { Owner } from "../table/owners.ts";
import { pickCell, type StatelessRoutes } from "../table/stateless-routes.ts";
import type { RoutingTable } from "../table/table.ts";
import type { FieldBlock } from "../wire/field-block.ts";

/** Assertions for cells that do not own the tenant; then all are forgotten and made again. */
const maxKept = 10_000;

/** A cell that is asked though it does not own the tenant. */
export interface Elsewhere {
  readonly cell: CellRow;
  /** The route by which it was picked. */
  readonly pattern: string;
  readonly kept: Kept;
}

/** Such a cell as an owner, at the tenant's epoch. */
export function strangerOf({ cell }: Elsewhere, tenant: TenantRow): Owner {
  return { cell: cell.id, epoch: tenant.epoch, addresses: cell.slots };
}

/** Picks the cells of requests whose route is stateless. */
export class ElsewhereChoice {
  readonly #routes: StatelessRoutes;
  readonly #table: RoutingTable;
  readonly #breakers: Breakers;
  readonly #roll: () => number;
  readonly #kept = new Map<string, Kept>();

  /** @param roll a number in [0, 1). */
  constructor(routes: StatelessRoutes, table: RoutingTable, breakers: Breakers, roll: () => number) {
    this.#routes = routes;
    this.#table = table;
    this.#breakers = breakers;
    this.#roll = roll;
  }

  /** @returns null where the owner is to be asked: nearly always. */
  of(head: CheckedHead, fields: FieldBlock, { tenant, principal: known }: Visitor): Elsewhere | null {
    if (this.#routes.empty || head.websocket) return null;
    const match = this.#routes.match(tenant.cell, head.method, head.target);
    const own = match === null ? undefined : this.#table.cell(tenant.cell);
    if (match === null || own === undefined) return null;
    const user = match.userField === null ? undefined : valueOf(fields, match.userField);
    const choice =
      user === undefined
        ? { by: "random" as const, roll: this.#roll() }
        : { by: "user" as const, user: `${tenant.id} ${user}` };
    const serves = (cell: CellRow["id"]) => !this.#breakers.of(cell).refusing;
    const cell = pickCell(this.#table.cells(), own, serves, choice);
    if (cell === null || cell.id === own.id) return null;
    const principal = known === "anonymous" ? tenant.id : known;
    return { cell, pattern: match.pattern, kept: this.#keptAs(`${cell.id} ${principal}`) };
  }

  #keptAs(name: string): Kept {
    let kept = this.#kept.get(name);
    if (kept === undefined) {
      if (this.#kept.size >= maxKept) this.#kept.clear();
      kept = { assertion: null };
      this.#kept.set(name, kept);
    }
    return kept;
  }
}

function valueOf(fields: FieldBlock, name: string): string | undefined {
  for (let index = 0; index < fields.count; index += 1) if (fields.name(index) === name) return fields.value(index);
  return undefined;
}
