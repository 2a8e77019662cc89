import { connectSupervisor, startSupervisor } from "../../cells/drivers/local/supervisor/client.ts";
import { readHomeState } from "../../cells/drivers/local/supervisor/state.ts";
import type { Answer, Context } from "../context.ts";
import { cliError } from "../errors.ts";

/**
 * `stop`: returns when everything is down. Where the supervisor died and its processes run on, another one adopts them and stops them in
 * order, so that databases close as they should.
 */
export async function stopFleet(context: Context): Promise<Answer> {
  await context.fleet();
  const before = await readHomeState(context.home);
  const running = before.processes.filter((process) => process.pid !== null).length;
  if (before.supervisorPid === null && running === 0) return { json: { stopped: 0 }, text: "Nothing runs." };
  const supervisor = (await connectSupervisor(context.home)) ?? (await startSupervisor(context.home));
  await supervisor.shutdown();
  const left = (await readHomeState(context.home)).processes.filter((process) => process.pid !== null);
  if (left.length > 0)
    throw cliError(
      "still-running",
      `${left.map((process) => `${process.name} (pid ${process.pid ?? "unknown"})`).join(", ")}.`,
    );
  return {
    json: { stopped: running },
    text: `Everything is down (${running} processes). \`npm start\` brings it back with its data.`,
  };
}
