import type { Group } from "../testing/groups.ts";
import { ensureHaproxy } from "./balancer.ts";
import { ensureBrowser } from "./browser.ts";
import { progress } from "./progress.ts";
import { ensurePostgres, ensureRedis } from "./servers.ts";
import { ensureTemporal } from "./temporal.ts";
import { ensureMoto, ensureTemporalTestServer } from "./test-servers.ts";

/** Brings what these groups of tests need. What cannot be had is said, and the tests that need it fail saying so too. */
export async function prepareTests(groups: ReadonlySet<Group>): Promise<void> {
  const whole = groups.has("integration") || groups.has("e2e");
  const steps: (() => Promise<unknown>)[] = [];
  if (whole) steps.push(ensurePostgres, ensureRedis, ensureTemporal);
  if (groups.has("workflow")) steps.push(ensureTemporalTestServer);
  if (groups.has("integration")) steps.push(ensureMoto, ensureHaproxy);
  if (groups.has("e2e")) steps.push(ensureBrowser);
  for (const step of steps) {
    await step().catch((error: unknown) => progress.say(error instanceof Error ? error.message : String(error)));
  }
}
