import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { connectSupervisor, type Supervisor } from "../../cells/drivers/local/supervisor/client.ts";
import { readHomeState } from "../../cells/drivers/local/supervisor/state.ts";
import { progress } from "../setup/progress.ts";

const lookEveryMs = 1_000;

/**
 * Stays until Ctrl-C or SIGTERM, then stops everything; or until somebody else has stopped the fleet. A supervisor that is killed leaves the
 * fleet running: so do we, saying so.
 */
export async function stayWith(home: string, supervisor: Supervisor): Promise<void> {
  const asked = new Promise<true>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => resolve(true));
  });
  progress.say("Ctrl-C stops everything.");
  for (let told = false; ;) {
    if (await Promise.race([asked, sleep(lookEveryMs, false)])) return await stop(home, supervisor);
    const state = await readHomeState(home);
    if (state.supervisorPid !== null) told = false;
    else if (state.processes.every(({ pid }) => pid === null)) return progress.say("The fleet was stopped.");
    else if (!told) {
      progress.say(
        "The supervisor is gone; everything runs on. `npm start -- --detach` in another terminal brings it back.",
      );
      told = true;
    }
  }
}

async function stop(home: string, supervisor: Supervisor): Promise<void> {
  await progress.step(
    "stopping",
    async (tell) => {
      tell("everything, databases last");
      await ((await connectSupervisor(home)) ?? supervisor).shutdown();
    },
    () => "everything is down; what was stored is kept",
  );
}
