import type { FleetFile } from "../../../common/contracts/home.ts";
import { type Slot, slots } from "../../../common/contracts/lease.ts";
import type { ProcessStatus } from "../../../common/contracts/supervisor.ts";
import type { CellId, ReleaseName } from "../../../common/ids.ts";

/** What runs, as far as this machine can see. */
export interface Sight {
  readonly supervisorPid: number | null;
  /** Every process that should run or was stopped by a person; `pid` null where it does not live. */
  readonly processes: readonly ProcessStatus[];
}

/** What somebody else knows of a cell: the control plane, else the fleet document on the router's disk. */
export interface CellKnowledge {
  readonly liveSlot: Slot;
  readonly release: ReleaseName | null;
  /** Customers' tenants; the synthetic one is none. */
  readonly tenants: number;
}

const cellRoles = ["api", "worker", "postgres", "redis"] as const;
type CellRole = (typeof cellRoles)[number];

/** The document of `status --json`; scripts hold on to it (docs/cli.md). */
export interface FleetStatus {
  readonly supervisor: { readonly pid: number | null };
  readonly router: Reachable;
  readonly controlPlane: Reachable;
  readonly dashboard: { readonly url: string | null };
  readonly aggregator: Reachable;
  readonly temporal: { readonly address: string | null; readonly ui: string | null; readonly pid: number | null };
  readonly worker: { readonly pid: number | null };
  readonly cells: readonly CellStatus[];
}

interface Reachable {
  readonly url: string | null;
  readonly pid: number | null;
}

export interface CellStatus {
  readonly id: CellId;
  readonly region: string;
  /** Of the live slot, as `pulse@2`; null where nobody knows. */
  readonly release: ReleaseName | null;
  /** running: database, cache and the live slot's API and worker live; stopped: none of its processes does; degraded: anything between. */
  readonly state: "running" | "degraded" | "stopped";
  readonly tenants: number | null;
  readonly processes: readonly {
    readonly role: CellRole;
    readonly release: ReleaseName | null;
    readonly pid: number;
    readonly port: number | null;
  }[];
}

/**
 * The status of a fleet from what is seen and known. Pure.
 * @param liveSlots the slot that each cell itself named as live, where it could be asked
 */
export function composeStatus(
  fleet: FleetFile,
  sight: Sight,
  knowledge: ReadonlyMap<CellId, CellKnowledge>,
  liveSlots: ReadonlyMap<CellId, Slot>,
): FleetStatus {
  const pidOf = (name: string): number | null => sight.processes.find((process) => process.name === name)?.pid ?? null;
  const reachable = (name: string, url: string): Reachable => {
    const pid = pidOf(name);
    return { url: pid === null ? null : url, pid };
  };
  const controlPlane = reachable("control-plane", fleet.urls.controlPlane);
  const temporalPid = pidOf("temporal");
  // A Temporal of somebody else's is no process of ours; whether it lives, its own tools say.
  const foreign = sight.processes.length > 0 && !sight.processes.some((process) => process.name === "temporal");
  const temporal = temporalPid !== null || foreign ? fleet.urls.temporal : null;
  return {
    supervisor: { pid: sight.supervisorPid },
    router: reachable("router", fleet.urls.router),
    controlPlane,
    dashboard: { url: controlPlane.pid === null ? null : fleet.urls.dashboard },
    aggregator: reachable("aggregator", fleet.urls.aggregator),
    temporal: { address: temporal?.address ?? null, ui: temporal?.ui ?? null, pid: temporalPid },
    worker: { pid: pidOf("worker") },
    cells: fleet.cells.map(({ id, region }) => {
      const own = sight.processes.filter((process) => process.cell === id);
      const known = knowledge.get(id);
      const slot = liveSlots.get(id) ?? liveSlotOf(id, own, known);
      return {
        id,
        region,
        release: releaseOf(id, own, slot) ?? known?.release ?? null,
        state: stateOf(id, own, slot),
        tenants: known?.tenants ?? null,
        processes: own.flatMap((process) =>
          process.pid !== null && isCellRole(process.role)
            ? [{ role: process.role, release: process.release, pid: process.pid, port: process.port }]
            : [],
        ),
      };
    }),
  };
}

/** The slots of a cell in which an API process lives. With two of them only the cell itself knows which is live. */
export function servingSlots(cell: CellId, processes: readonly ProcessStatus[]): Slot[] {
  return slots.filter((slot) =>
    processes.some((process) => process.name === `${cell}-api-${slot}` && process.pid !== null),
  );
}

/**
 * The live slot as far as the processes tell: the only one that serves, else the only one that should (a person stopped it, or it is on
 * its way back), else what is known from elsewhere.
 */
function liveSlotOf(cell: CellId, own: readonly ProcessStatus[], known: CellKnowledge | undefined): Slot | null {
  const serving = servingSlots(cell, own);
  if (serving.length === 1) return serving[0] ?? null;
  if (known !== undefined) return known.liveSlot;
  const wanted = slots.filter((slot) => own.some((process) => process.name === `${cell}-api-${slot}`));
  return wanted.length === 1 ? (wanted[0] ?? null) : null;
}

function releaseOf(cell: CellId, own: readonly ProcessStatus[], slot: Slot | null): ReleaseName | null {
  return slot === null ? null : (own.find((process) => process.name === `${cell}-api-${slot}`)?.release ?? null);
}

function stateOf(cell: CellId, own: readonly ProcessStatus[], slot: Slot | null): CellStatus["state"] {
  const living = own.filter((process) => process.pid !== null);
  if (living.length === 0) return "stopped";
  const needed = [`${cell}-postgres`, `${cell}-redis`, `${cell}-api-${slot ?? "a"}`, `${cell}-worker-${slot ?? "a"}`];
  return needed.every((name) => living.some((process) => process.name === name && process.state === "running"))
    ? "running"
    : "degraded";
}

function isCellRole(role: string): role is CellRole {
  return (cellRoles as readonly string[]).includes(role);
}
