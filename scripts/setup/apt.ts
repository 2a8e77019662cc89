import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { machineSettings } from "../../cells/drivers/local/config.ts";
import { oneAtATime } from "../lib/bootstrap.mjs";
import { attempt, type Outcome } from "./programs.ts";

const policyFile = "/usr/sbin/policy-rc.d";
const quietly = { DEBIAN_FRONTEND: "noninteractive", DEBCONF_NONINTERACTIVE_SEEN: "true" };
// Somebody else's apt (unattended upgrades after a boot) may take minutes.
const lockSeconds = 300;
const updateTries = 20;

/** Why apt cannot be used here, or null if it can. */
export function aptUnusable(): string | null {
  if (!existsSync("/usr/bin/apt-get")) return "this is not Debian or a relative";
  if (process.getuid?.() !== 0) return "only root may install packages";
  return null;
}

/**
 * Installs a Debian package, with no question asked and without letting it start a service: ours run on ports of their
 * own, and 6379 may be wanted for something else.
 * @param present looked at again when it is our turn: another set-up may have brought it meanwhile.
 */
export async function aptInstall(name: string, present: () => boolean): Promise<Outcome> {
  const reason = aptUnusable();
  if (reason !== null) return { ok: false, why: reason };
  return await oneAtATime(join(machineSettings().cache, "apt.lock"), `Debian package ${name}`, async () => {
    if (present()) return { ok: true, stdout: "" };
    const updated = await update();
    // Without an index the lists of yesterday may still do.
    const installed = await withoutServices(() =>
      attempt(
        "apt-get",
        ["install", "-y", "-q", "--no-install-recommends", `-oDPkg::Lock::Timeout=${lockSeconds}`, name],
        quietly,
      ),
    );
    if (!installed.ok && !updated.ok) return { ok: false, why: `${updated.why}\n${installed.why}` };
    return installed;
  });
}

/** apt waits for dpkg's lock when told to, but not for the one of its lists. */
async function update(): Promise<Outcome> {
  let outcome = await attempt("apt-get", ["update", "-q"], quietly);
  for (let tries = 1; !outcome.ok && /could not get lock/i.test(outcome.why) && tries < updateTries; tries++) {
    await sleep(3_000);
    outcome = await attempt("apt-get", ["update", "-q"], quietly);
  }
  return outcome;
}

/** Debian asks policy-rc.d before a package's service is started; 101 forbids it. One that is there already stays. */
async function withoutServices(install: () => Promise<Outcome>): Promise<Outcome> {
  const ours = !existsSync(policyFile);
  if (ours) await writeFile(policyFile, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    return await install();
  } finally {
    if (ours) await rm(policyFile, { force: true });
  }
}
