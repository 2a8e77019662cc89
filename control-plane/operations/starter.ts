import type { Logger } from "../../common/log.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { fail } from "../errors.ts";
import { Loop } from "../loop.ts";
import { readLine } from "../registry/line.store.ts";
import { startOnce } from "../registry/rollouts.ts";
import { rolloutsToStart } from "../registry/rollouts.store.ts";
import type { WorkflowEngine } from "./temporal.ts";

const everyMs = 2_000;
/** One rollout an application may be open, so that there are never many. */
const batch = 20;

/**
 * Starts the workflows of operations that have only a row yet: at a sign that there is one, and now and then, so that neither a crash
 * between row and workflow nor a Temporal that is away loses any.
 */
export function createStarter(options: {
  readonly pool: Pool;
  readonly engine: WorkflowEngine;
  readonly log: Logger;
}): Loop {
  const { pool, engine, log } = options;
  return new Loop({
    name: "rollout-starter",
    everyMs,
    log,
    async work() {
      if (!engine.isConfigured) return;
      if ((await readLine(pool)).stopped) return;
      const waiting = await rolloutsToStart(pool, batch);
      // Asked first: while a workflow is started its row is locked, and nobody could cancel it.
      if (waiting.length > 0 && !(await engine.isReachable()))
        throw fail("temporal-unreachable", "Nobody listens there.");
      for (const rollout of waiting) {
        const runs = await startOnce(pool, rollout, (locked) => engine.startRollout(locked));
        if (!runs)
          log.info({ event: "rollout-waits-for-name", operation: rollout.id, application: rollout.application });
      }
    },
  });
}
