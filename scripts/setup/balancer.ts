import { aptInstall, aptUnusable } from "./apt.ts";
import { onPath } from "./programs.ts";
import { progress } from "./progress.ts";

/** HAProxy, for the test that restarts one of two routers behind a balancer; null where there is none. */
export function findHaproxy(): string | null {
  return onPath("haproxy");
}

/** Finds HAProxy, else installs Debian's. Without one, that test says so. */
export async function ensureHaproxy(): Promise<string | null> {
  return await progress.step(
    "HAProxy",
    async (tell) => {
      const found = findHaproxy();
      if (found !== null) return found;
      if (aptUnusable() === null) tell("installing Debian's package haproxy: one test restarts routers behind it");
      const outcome = await aptInstall("haproxy", () => findHaproxy() !== null);
      if (!outcome.ok) tell(`it could not be installed (${outcome.why}); install haproxy`);
      return findHaproxy();
    },
    (path) => path ?? "MISSING",
  );
}
