import type { Supervisor } from "../../cells/drivers/local/supervisor/client.ts";
import { driverError } from "../../cells/drivers/errors.ts";
import type { Cell, CellList } from "../../common/contracts/control-plane.ts";
import type { ProcessStatus } from "../../common/contracts/supervisor.ts";
import type { Answer, Context } from "../context.ts";
import { supervisorOf } from "../supervisor.ts";
import { table } from "../text.ts";
import { processTable } from "./process.ts";

/** A database that was killed replays its log first. */
const healthyWithinMs = 60_000;

/** `cell list` */
export async function listCells(context: Context): Promise<Answer> {
  const plane = await context.controlPlane();
  const list = await plane.get<CellList>("/v1/cells");
  const rows = list.cells.map((cell) => [
    cell.id,
    cell.region,
    cell.health,
    cell.release,
    cell.liveSlot,
    cell.tenants,
    remarksOf(cell).join("; ") || null,
  ]);
  return { json: list, text: table(["CELL", "REGION", "HEALTH", "RELEASE", "SLOT", "TENANTS", "REMARKS"], rows) };
}

function remarksOf({ cordoned, problems, alarms = [] }: Cell): string[] {
  return [...(cordoned ? ["cordoned"] : []), ...problems, ...alarms.map(({ code, detail }) => `${code}: ${detail}`)];
}

/** `cell stop`: what takes requests goes before what it needs; returns when all is down. */
export async function stopCell(context: Context, input: { readonly cell: string }): Promise<Answer> {
  const supervisor = await supervisorOf(context);
  const processes = await processesOf(supervisor, input.cell);
  const isServer = ({ role }: ProcessStatus): boolean => role === "postgres" || role === "redis";
  const front = await Promise.all(
    processes.filter((process) => !isServer(process)).map(({ name }) => supervisor.stop(name)),
  );
  const behind = await Promise.all(processes.filter(isServer).map(({ name }) => supervisor.stop(name)));
  const text = `${input.cell} is stopped, and stays so until \`cellplane cell start ${input.cell}\`. Its tenants get 503; the others notice nothing.`;
  return { json: { cell: input.cell, processes: [...behind, ...front] }, text };
}

/** `cell start`: returns when all of it can serve. */
export async function startCell(context: Context, input: { readonly cell: string }): Promise<Answer> {
  const supervisor = await supervisorOf(context);
  const processes = await processesOf(supervisor, input.cell);
  await Promise.all(processes.map(({ name }) => supervisor.start(name)));
  const started = await Promise.all(processes.map(({ name }) => supervisor.waitHealthy(name, healthyWithinMs)));
  return { json: { cell: input.cell, processes: started }, text: `${input.cell} runs.\n\n${processTable(started)}` };
}

async function processesOf(supervisor: Supervisor, cell: string): Promise<ProcessStatus[]> {
  const all = await supervisor.list();
  const own = all.filter((process) => process.cell === cell);
  if (own.length > 0) return own;
  const known = [...new Set(all.flatMap((process) => process.cell ?? []))].toSorted();
  throw driverError("unknown-cell", `This fleet has no cell ${cell}; it has ${known.join(", ") || "none"}.`);
}
