import { setTimeout as sleep } from "node:timers/promises";
import Value from "typebox/value";
import { RouterStatus } from "../../common/contracts/samples.ts";
import type { Generation } from "../../common/contracts/fleet.ts";
import { compareGenerations } from "../../common/fleet/document.ts";
import { NoAnswer } from "../../common/http/exchange.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { listParts } from "../registry/parts.store.ts";
import type { PartClient } from "./part-client.ts";

const timeoutMs = 1_000;
const firstPauseMs = 5;
const lastPauseMs = 200;

/**
 * Waits until every live router has the generation. A router that does not answer is down and serves nobody, so that it does not count;
 * it will have the document before it serves.
 * @returns the routers that answered and were still behind at the deadline.
 */
export async function routersBehind(options: {
  readonly pool: Pool;
  readonly parts: PartClient;
  readonly generation: Generation;
  /** Milliseconds from now. */
  readonly withinMs: number;
}): Promise<string[]> {
  const { pool, parts, generation, withinMs } = options;
  const routers = (await listParts(pool)).filter(({ role, url }) => role === "router" && url !== null);
  const deadline = performance.now() + withinMs;
  let waiting = routers.map(({ id }) => String(id));
  let pauseMs = firstPauseMs;
  for (;;) {
    const asked = routers.filter(({ id }) => waiting.includes(id));
    const behind = await Promise.all(
      asked.map(async ({ id, url }) => ((await isBehind(parts, id, url ?? "", generation)) ? [String(id)] : [])),
    );
    waiting = behind.flat();
    if (waiting.length === 0 || performance.now() + pauseMs > deadline) return waiting;
    await sleep(pauseMs);
    pauseMs = Math.min(lastPauseMs, pauseMs * 2);
  }
}

async function isBehind(parts: PartClient, id: string, url: string, generation: Generation): Promise<boolean> {
  try {
    const { body } = await parts.call({ url: `${url}/v1/status`, audience: id, timeoutMs });
    // One that answers something else lives, and is taken to be behind: it may just have learned our key.
    return !Value.Check(RouterStatus, body) || compareGenerations(body.generation, generation) < 0;
  } catch (error) {
    if (error instanceof NoAnswer) return false;
    throw error;
  }
}
