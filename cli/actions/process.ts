import { readHomeState } from "../../cells/drivers/local/supervisor/state.ts";
import type { ProcessStatus } from "../../common/contracts/supervisor.ts";
import type { Answer, Context } from "../context.ts";
import { supervisorOf } from "../supervisor.ts";
import { table } from "../text.ts";

/** Temporal's dev server on a cold disk is the slowest of them. */
const healthyWithinMs = 60_000;

/** `process list`: from the home and the kernel, so that it is true with the supervisor dead. */
export async function listProcesses(context: Context): Promise<Answer> {
  await context.fleet();
  const { processes } = await readHomeState(context.home);
  return { json: { processes }, text: processTable(processes) };
}

/** `process stop`: returns when it is down. */
export async function stopProcess(context: Context, input: { readonly name: string }): Promise<Answer> {
  const supervisor = await supervisorOf(context);
  const status = await supervisor.stop(input.name);
  return {
    json: status,
    text: `${input.name} is stopped, and stays so until \`cellplane process start ${input.name}\`.`,
  };
}

/** `process start`: returns when it can serve. */
export async function startProcess(context: Context, input: { readonly name: string }): Promise<Answer> {
  const supervisor = await supervisorOf(context);
  await supervisor.start(input.name);
  const status = await supervisor.waitHealthy(input.name, healthyWithinMs);
  return { json: status, text: `${input.name} runs (pid ${status.pid ?? "unknown"}).` };
}

function stateOf({ state, held, problem }: ProcessStatus): string {
  if (held) return `${state} (by hand)`;
  return state === "running" && typeof problem === "string" ? `${state} (${problem})` : state;
}

/** Processes as a table for people. */
export function processTable(processes: readonly ProcessStatus[]): string {
  const rows = processes.map((one) => [
    one.name,
    one.role,
    stateOf(one),
    one.pid,
    one.port,
    one.release,
    one.restarts,
    one.lastExit,
  ]);
  return table(["PROCESS", "ROLE", "STATE", "PID", "PORT", "RELEASE", "RESTARTS", "LAST EXIT"], rows);
}
