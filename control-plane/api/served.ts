import { setTimeout as sleep } from "node:timers/promises";
import { currentPosition } from "../fleet/publication.store.ts";
import { routersBehind } from "../fleet/routers.ts";
import { findTenant, type TenantRecord } from "../registry/tenants.store.ts";
import { fail } from "../errors.ts";
import type { ApiContext } from "./context.ts";

const firstPauseMs = 5;
const lastPauseMs = 100;
/** A change that is not a creation waits this long for routers to have it, and is answered all the same. */
const settleMs = 2_000;

/**
 * Waits until a new tenant is served: its cell holds the lease, and every live router knows it.
 * @throws cell-unreachable, after `creationWaitMs`
 */
export async function untilServed(context: ApiContext, { id, slug, cell }: TenantRecord): Promise<void> {
  const deadline = performance.now() + context.creationWaitMs;
  context.leases.loop.signal();
  let pauseMs = firstPauseMs;
  for (;;) {
    const tenant = await findTenant(context.pool, slug);
    if (tenant !== null && tenant.state !== "provisioning") break;
    if (performance.now() + pauseMs > deadline) {
      throw fail(
        "cell-unreachable",
        `${slug} is placed in ${cell}, which has not taken it yet: ${context.leases.trouble(id) ?? "still waiting"}.`,
      );
    }
    await sleep(pauseMs);
    pauseMs = Math.min(lastPauseMs, pauseMs * 2);
  }
  const generation = await currentPosition(context.pool);
  const behind = await routersBehind({ ...context, generation, withinMs: Math.max(0, deadline - performance.now()) });
  if (behind.length > 0)
    throw fail("cell-unreachable", `${slug} is active in ${cell}, but ${behind.join(", ")} has not heard of it yet.`);
}

/** Gives live routers a moment to have the last change, so that what was answered is mostly true at once. */
export async function settled(context: ApiContext): Promise<void> {
  context.leases.loop.signal();
  await routersBehind({ ...context, generation: await currentPosition(context.pool), withinMs: settleMs });
}
