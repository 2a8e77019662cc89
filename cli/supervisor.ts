import { connectSupervisor, type Supervisor } from "../cells/drivers/local/supervisor/client.ts";
import { driverError } from "../cells/drivers/errors.ts";
import type { Context } from "./context.ts";

/** @throws CellplaneError `no-fleet`, or `supervisor-unreachable` where none lives or it does not answer. */
export async function supervisorOf(context: Context): Promise<Supervisor> {
  await context.fleet();
  const supervisor = await connectSupervisor(context.home);
  if (supervisor === null) throw driverError("supervisor-unreachable", `No supervisor of ${context.home} answers.`);
  return supervisor;
}
