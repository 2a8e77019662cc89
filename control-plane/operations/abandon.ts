import type { AbandonedOperation } from "../../common/contracts/claims.ts";
import type { CellStep, Rollout } from "../../common/contracts/rollout.ts";
import type { OperationId } from "../../common/ids.ts";
import { CellplaneError } from "../../common/errors.ts";
import type { ApiContext } from "../api/context.ts";
import { fail } from "../errors.ts";
import { endClaims } from "../registry/commands.ts";
import { findRelocation } from "../registry/commands.store.ts";
import { change } from "../registry/change.ts";
import { operationKind } from "../registry/operations.store.ts";
import { abandonRollout, showRollout } from "../registry/rollouts.ts";

type Deps = Pick<ApiContext, "pool" | "clock" | "engine" | "monitor" | "parts">;
type CellRecord = Rollout["cells"][number];

/** Steps after which nobody needs to ask how the cell stands. */
const settled: ReadonlySet<CellStep> = new Set(["pending", "deployed", "rolled-back", "failed", "skipped"]);

/**
 * Ends an operation that is lost. Of a rollout: its workflow, where Temporal has it and it does not answer; then the rollout is cancelled, cells in mid-change
 * are asked what they run, and all cells are free. Without Temporal the registry's word is enough: whatever comes back holds no cell, and is refused.
 * @throws unknown-operation, operation-alive, rollout-over
 */
export async function abandonOperation(
  deps: Deps,
  cause: { readonly actor: string; readonly reason: string },
  id: OperationId,
): Promise<AbandonedOperation> {
  const kind = await operationKind(deps.pool, id);
  if (kind === null) throw fail("unknown-operation", `There is no operation ${id}.`);
  if (kind !== "rollout") return await abandonCommand(deps, cause, id, kind);

  const rollout = await showRollout(deps.pool, id);
  const workflow = await endWorkflow(deps, rollout, cause.reason);
  const abandoned = await abandonRollout(deps, cause, id, ({ cells }) => cells.map((cell) => asItStands(deps, cell)));
  const before = new Map(rollout.cells.map(({ cell, step }) => [cell, step]));
  const cells = abandoned.cells
    .filter(({ cell }) => !settled.has(before.get(cell) ?? "pending"))
    .map(({ cell, step, error }) => ({ cell, step, error }));
  return { id, kind, workflow, cells };
}

async function abandonCommand(
  deps: Deps,
  cause: { readonly actor: string; readonly reason: string },
  id: OperationId,
  kind: string,
): Promise<AbandonedOperation> {
  if ((await findRelocation(deps.pool, id)) !== null)
    throw fail(
      "operation-alive",
      "A tenant is on its way to another cell; it settles by itself, one way or the other.",
    );
  await endClaims(deps, cause, id);
  await change(deps, cause, async (step) => step.audit("operation.abandon", kind, { operation: id }));
  return { id, kind, workflow: "none", cells: [] };
}

async function endWorkflow(
  { engine }: Deps,
  rollout: Rollout,
  reason: string,
): Promise<AbandonedOperation["workflow"]> {
  if (!engine.isConfigured) return "not-asked";
  try {
    return (await engine.endLost(rollout, `abandoned: ${reason}`)) ? "ended" : "none";
  } catch (error) {
    if (error instanceof CellplaneError && error.code === "temporal-unreachable") return "not-asked";
    throw error;
  }
}

/** A cell in mid-change says itself what it runs; one that does not answer is left open. */
function asItStands({ monitor }: Deps, record: CellRecord): CellRecord {
  if (settled.has(record.step)) return record;
  const { status } = monitor.cell(record.cell);
  if (status === null) return { ...record, step: "indeterminate", error: "given up in mid-change; it does not answer" };
  const { release } = status;
  if (release === record.to) return { ...record, step: "deployed", error: null };
  if (release === record.from)
    return { ...record, step: "rolled-back", error: "given up in mid-change; it is as before" };
  return { ...record, step: "indeterminate", error: `given up in mid-change; it runs ${release ?? "nothing"}` };
}
