import type { Logger } from "../../common/log.ts";
import { Loop } from "../loop.ts";
import { lapsedRelocations } from "../registry/commands.store.ts";
import { settle, type RelocationWiring } from "./relocation.ts";

const everyMs = 10_000;

/** Brings restores of tenants in other cells to their end whose command has died: forward where the tenant was given away already, else back. */
export function createRelocationReconciler(wiring: RelocationWiring & { readonly log: Logger }): Loop {
  const { pool, log } = wiring;
  const troubles = new Map<string, string>();

  async function work(): Promise<void> {
    for (const relocation of await lapsedRelocations(pool)) {
      const { operation, slug } = relocation;
      try {
        await settle(wiring, { actor: "control-plane" }, relocation);
        troubles.delete(operation);
        log.info({ event: "relocation-settled", operation, tenant: relocation.tenant, slug });
      } catch (error) {
        // One that waits for a silent cell holds up no other.
        const trouble = error instanceof Error ? error.message : String(error);
        if (troubles.get(operation) !== trouble)
          log.warn({ event: "relocation-not-settled", operation, slug, err: error });
        troubles.set(operation, trouble);
      }
    }
  }

  return new Loop({ name: "relocation-reconciler", everyMs, work, log });
}
