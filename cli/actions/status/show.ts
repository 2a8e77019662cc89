import type { Answer, Context } from "../../context.ts";
import { table } from "../../text.ts";
import type { FleetStatus } from "./compose.ts";
import { readStatus } from "./read.ts";

/** `status` */
export async function showStatus(context: Context): Promise<Answer> {
  const status = await readStatus(context);
  return { json: status, text: statusText(status, context.home) };
}

function statusText(status: FleetStatus, home: string): string {
  const { temporal } = status;
  const parts = table(
    ["PART", "STATE", "PID", "ADDRESS"],
    [
      row("supervisor", status.supervisor.pid, null),
      row("router", status.router.pid, status.router.url),
      row("control-plane", status.controlPlane.pid, status.controlPlane.url),
      row("dashboard", status.controlPlane.pid, status.dashboard.url),
      row("aggregator", status.aggregator.pid, status.aggregator.url),
      row(
        "temporal",
        temporal.pid,
        temporal.address === null ? null : `${temporal.address}, ${temporal.ui ?? "no UI"}`,
      ),
      row("worker", status.worker.pid, null),
    ],
  );
  const cells = table(
    ["CELL", "REGION", "STATE", "RELEASE", "TENANTS", "PROCESSES"],
    status.cells.map((cell) => [
      cell.id,
      cell.region,
      cell.state,
      cell.release,
      cell.tenants,
      cell.processes.map((process) => `${process.role} ${process.pid}`).join(", ") || "none",
    ]),
  );
  return `${home}\n\n${parts}\n\n${cells}`;
}

function row(name: string, pid: number | null, address: string | null): (string | number | null)[] {
  return [name, pid === null ? "down" : "up", pid, address];
}
