import { aptInstall, aptUnusable } from "./apt.ts";
import { onPath } from "./programs.ts";
import { progress } from "./progress.ts";

/** Chromium or Chrome, for the browser test; null where there is none. */
export function findBrowser(): string | null {
  return onPath("chromium", "chromium-browser", "google-chrome", "google-chrome-stable");
}

/** Finds a browser, else installs Debian's. Without one, the browser test says so. */
export async function ensureBrowser(): Promise<string | null> {
  return await progress.step(
    "Chromium",
    async (tell) => {
      const found = findBrowser();
      if (found !== null) return found;
      if (aptUnusable() === null) tell("installing Debian's package chromium: one test looks at the dashboard with it");
      const outcome = await aptInstall("chromium", () => findBrowser() !== null);
      if (!outcome.ok) tell(`it could not be installed (${outcome.why}); install chromium`);
      return findBrowser();
    },
    (path) => path ?? "MISSING",
  );
}
