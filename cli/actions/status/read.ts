import { readHomeState } from "../../../cells/drivers/local/supervisor/state.ts";
import { CellplaneError } from "../../../common/errors.ts";
import type { CellId } from "../../../common/ids.ts";
import type { Context } from "../../context.ts";
import { RemoteProblem } from "../../errors.ts";
import { type CellKnowledge, composeStatus, type FleetStatus, servingSlots } from "./compose.ts";
import { askedKnowledge, documentKnowledge } from "./knowledge.ts";
import { askLiveSlots } from "./live-slot.ts";

/** Looks at a fleet from outside: true with the control plane, the supervisor or both dead. */
export async function readStatus(context: Context): Promise<FleetStatus> {
  const fleet = await context.fleet();
  const { supervisorPid, processes } = await readHomeState(context.home);
  const planeLives = processes.some((process) => process.name === "control-plane" && process.pid !== null);
  const serving = new Map(fleet.cells.map(({ id }) => [id, servingSlots(id, processes)]));
  const [knowledge, liveSlots] = await Promise.all([
    knowledgeOf(context, planeLives),
    askLiveSlots(context.home, fleet, serving),
  ]);
  return composeStatus(fleet, { supervisorPid, processes }, knowledge, liveSlots);
}

async function knowledgeOf(context: Context, planeLives: boolean): Promise<ReadonlyMap<CellId, CellKnowledge>> {
  if (!planeLives) return documentKnowledge(context.home);
  try {
    return await askedKnowledge(context);
  } catch (error) {
    // It lives and does not answer, or refuses: what the router lives by is as good.
    if (error instanceof CellplaneError || error instanceof RemoteProblem) return documentKnowledge(context.home);
    throw error;
  }
}
