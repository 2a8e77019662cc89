import type { CellRow, Generation, TenantRow } from "../common/contracts/fleet.ts";
import type { FleetSubscription } from "../common/fleet/subscription.ts";
import type { TrustedKey } from "../common/fleet/trust.ts";
import type { CellId, TenantId } from "../common/ids.ts";
import { aggregatorError } from "./errors.ts";

/** What the aggregator takes from the fleet document: which cells there should be, whose tenants are, whom to trust. */
export interface Fleet {
  /** @throws fleet-unknown before the first document. */
  cells(): readonly CellRow[];
  tenant(id: TenantId): TenantRow | undefined;
  /** Tenants placed in these cells. */
  tenantsOf(cells: ReadonlySet<CellId>): readonly TenantId[];
  trusted(kid: string): TrustedKey | undefined;
  generation(): Generation | null;
}

/** Reads from a subscription. */
export function fleetOf(subscription: FleetSubscription): Fleet {
  return {
    cells() {
      const { document } = subscription;
      if (document === null) throw aggregatorError("fleet-unknown", "Nothing was heard of the fleet yet.");
      return [...document.rowsOf<CellRow>("cell")];
    },
    tenant: (id) => subscription.document?.row(`tenant/${id}`) as TenantRow | undefined,
    tenantsOf(cells) {
      const rows = subscription.document?.rowsOf<TenantRow>("tenant") ?? [];
      return [...rows].flatMap(({ id, cell, synthetic }) => (cells.has(cell) && !synthetic ? [id] : []));
    },
    trusted: (kid) => subscription.trust.find(kid),
    generation: () => subscription.document?.generation ?? null,
  };
}
