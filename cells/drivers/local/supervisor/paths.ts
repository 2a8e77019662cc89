import { join } from "node:path";

/** Where the supervisor of a fleet home keeps what it keeps. */
export const supervisorPaths = (home: string) =>
  ({
    folder: join(home, "supervisor"),
    /** What should run: the specs, and what a person stopped. Survives power cuts. */
    desired: join(home, "supervisor", "desired.json"),
    /** What runs: pids. Of no use after the machine restarts. */
    state: join(home, "supervisor", "state.json"),
    connection: join(home, "supervisor", "connection.json"),
    logs: join(home, "logs"),
    log: (process: string) => join(home, "logs", `${process}.log`),
    compileCache: join(home, "cache", "compile"),
  }) as const;
