import type { Clock } from "../../common/clock.ts";
import type { Line, SetLine } from "../../common/contracts/rollout-records.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { fail } from "../errors.ts";
import { change, type Change } from "./change.ts";
import { holdLine, readLine, writeLine } from "./line.store.ts";

/** Stops the line, or releases it; as it is already, nothing changes, and the answer says who did it. */
export async function setLine(
  wiring: { readonly pool: Pool; readonly clock: Clock },
  actor: string,
  { stopped, reason }: SetLine,
): Promise<Line> {
  const { result } = await change(wiring, { actor, reason }, async (step) => {
    const written = await writeLine(step.tx, { stopped, by: actor, reason, at: new Date(wiring.clock.now()) });
    if (written === null) return await readLine(step.tx);
    step.audit(stopped ? "line.stop" : "line.release", "all rollouts");
    step.announce("rollout", "line");
    step.wake("rollouts");
    return written;
  });
  return result;
}

export async function showLine(pool: Pool): Promise<Line> {
  return await readLine(pool);
}

/** Holds the line as it is until the transaction has ended. @throws line-stopped */
export async function refuseWhileStopped(step: Change): Promise<void> {
  const { stopped, by, reason, since } = await holdLine(step.tx);
  if (stopped) throw fail("line-stopped", `${by} stopped it at ${since}: ${reason}`);
}
