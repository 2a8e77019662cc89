import type { Alarm, CellStatus } from "../../common/contracts/cell-admin.ts";
import type { Generation } from "../../common/contracts/fleet.ts";
import type { CellId, ReleaseName } from "../../common/ids.ts";
import type { Logger } from "../../common/log.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import type { CellState } from "../kit/cell-state.ts";
import type { ClockSkew } from "../kit/clock-skew.ts";
import type { DiskWatch } from "../kit/disk.ts";
import type { SchemaWatch } from "../kit/lint/watch.ts";
import { queueAlarms } from "../kit/queue/alarms.ts";
import { countQueue } from "../kit/queue/counts.store.ts";

export interface StatusOptions {
  readonly cell: CellId;
  readonly release: ReleaseName;
  readonly digest: string;
  readonly state: CellState;
  readonly schema: Pick<SchemaWatch, "problems">;
  readonly disk: Pick<DiskWatch, "problems">;
  /** Whether all assertions, or all commands, are refused for their time. */
  readonly skews: readonly Pick<ClockSkew, "problems" | "alarms">[];
  readonly system: Pool;
  /** The fleet document's generation; null before the first. */
  readonly generation: () => Generation | null;
  readonly load: () => { readonly connections: number; readonly inFlight: number };
  readonly startedAt: Date;
  readonly log: Logger;
}

/** What keeps this process from being ready. A cell that holds leases must also know whom to trust; a new one learns it when it is registered. */
export function readinessProblems(options: StatusOptions): string[] {
  const { state, schema, disk, skews } = options;
  const problems = [state, schema, disk, ...skews].flatMap((watched) => watched.problems());
  const leases = state.record?.leases ?? 0;
  if (leases > 0 && options.generation() === null)
    problems.push("trust-unknown: no fleet document has been accepted yet");
  return problems;
}

/** The process's state as the control plane, the workflow worker and people read it; it answers with the database dead too. */
export async function cellStatus(options: StatusOptions): Promise<CellStatus> {
  await options.state.look();
  const { state } = options;
  const problems = readinessProblems(options);
  const { queue, alarms } = await queueState(options);
  return {
    cell: options.cell,
    slot: state.slot,
    liveSlot: state.liveSlot,
    phase: state.phase,
    release: options.release,
    digest: options.digest,
    ready: problems.length === 0,
    problems,
    incarnation: state.record?.incarnation ?? "",
    schema: state.schema,
    tenants: state.record?.tenants ?? 0,
    ...options.load(),
    queue,
    alarms: [...skewAlarms(options), ...alarms],
    fleetGeneration: options.generation(),
    claimToken: state.record?.claimToken ?? 0,
    startedAt: options.startedAt.toISOString(),
  };
}

/** Of this process: each has a clock's word of its own. */
export function skewAlarms({ skews }: Pick<StatusOptions, "skews">): Alarm[] {
  return skews.flatMap((skew) => skew.alarms());
}

async function queueState(options: StatusOptions): Promise<{ queue: CellStatus["queue"]; alarms: Alarm[] }> {
  try {
    const counts = await countQueue(options.system);
    const { waiting, inFlight, oldestSeconds, dead } = counts;
    return { queue: { outbox: waiting + inFlight, inFlight, oldestSeconds, dead }, alarms: queueAlarms(counts) };
  } catch (error) {
    // `problems` says already that the database is away.
    options.log.debug({ event: "queue-not-counted", err: error });
    return { queue: { outbox: 0, inFlight: 0, oldestSeconds: 0, dead: 0 }, alarms: [] };
  }
}
