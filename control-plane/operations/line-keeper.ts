import type { Logger } from "../../common/log.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { CellplaneError } from "../../common/errors.ts";
import { Loop } from "../loop.ts";
import { readLine } from "../registry/line.store.ts";
import { rolloutsUnawareOf } from "../registry/rollouts.store.ts";
import type { WorkflowEngine } from "./temporal.ts";

const everyMs = 5_000;

/**
 * Tells running rollouts that the line was stopped or released: at a sign, and until each has said so to the registry. A rollout that cannot be told asks the
 * registry itself before it begins anything; so this only makes it know sooner.
 */
export function createLineKeeper(options: {
  readonly pool: Pool;
  readonly engine: WorkflowEngine;
  readonly log: Logger;
}): Loop {
  const { pool, engine, log } = options;
  return new Loop({
    name: "line-keeper",
    everyMs,
    log,
    async work() {
      if (!engine.isConfigured) return;
      const { stopped, by, reason } = await readLine(pool);
      const unaware = await rolloutsUnawareOf(pool, stopped);
      if (unaware.length === 0 || !(await engine.isReachable())) return;
      const command = stopped ? "stop-the-line" : "release-the-line";
      const input = { command, actor: by ?? "control-plane", reason, planHash: null, revision: null } as const;
      for (const rollout of unaware) {
        try {
          await engine.command(rollout, input);
        } catch (error) {
          // It knows already, or has just ended: the registry hears of that soon.
          const isKnown = error instanceof CellplaneError && error.code === "command-refused";
          if (!isKnown) throw error;
        }
      }
    },
  });
}
