import { Connection, type ProcessStatus } from "../../../../common/contracts/supervisor.ts";
import Value from "typebox/value";
import { readJson } from "../files.ts";
import { bootId, isAlive } from "./kernel.ts";
import { supervisorPaths } from "./paths.ts";
import { StateRecord } from "./records.ts";

export interface HomeState {
  /** Null when no supervisor lives. */
  readonly supervisorPid: number | null;
  /** Every process that the last supervisor knew; those that do not live have no pid and are `stopped` or `backoff`. */
  readonly processes: readonly ProcessStatus[];
}

/**
 * What runs in a home, read from disk and checked against the kernel, so that it is true with the supervisor dead too. A home without
 * a record runs nothing.
 */
export async function readHomeState(home: string): Promise<HomeState> {
  const paths = supervisorPaths(home);
  const connection = await readJson(paths.connection);
  const supervisorPid = Value.Check(Connection, connection) && isAlive(connection) ? connection.pid : null;
  const state = await readJson(paths.state);
  if (!Value.Check(StateRecord, state)) return { supervisorPid, processes: [] };
  const sameBoot = state.boot === bootId();
  const processes = state.processes.map(({ startTime, status }): ProcessStatus => {
    const { pid } = status;
    if (pid === null) return status;
    if (sameBoot && startTime !== null && isAlive({ pid, startTime })) return status;
    return { ...status, pid: null, state: supervisorPid === null ? "stopped" : "backoff" };
  });
  return { supervisorPid, processes };
}
