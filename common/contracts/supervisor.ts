import Type, { type Static } from "typebox";
import { CellIdSchema, ReleaseNameSchema, TimestampSchema, oneOf } from "./ids.ts";

/** What the processes of a fleet are for; a `worker` of no cell is the workflow worker. Status and dashboards sort by it. */
export const processRoles = [
  "postgres",
  "redis",
  "api",
  "worker",
  "router",
  "control-plane",
  "temporal",
  "aggregator",
  "feeder",
] as const;
export type ProcessRole = (typeof processRoles)[number];

/** A process's name under the supervisor, e.g. `router`, `cell-1-api-a`: also the name of its log file. */
export const ProcessNameSchema = Type.String({ pattern: "^[a-z][a-z0-9-]{0,62}$" });

const Port = Type.Integer({ minimum: 1, maximum: 65_535 });
const Path = Type.String({ minLength: 1, pattern: "^/" });

/**
 * How the supervisor learns that a started process can serve.
 *   http      GET answers 2xx
 *   tcp       the port accepts a connection
 *   redis     the server answers a PING, if only by asking for a password
 *   postgres  the server asks a client for its credentials (a port that accepts may still be in recovery)
 *   none      it is healthy as soon as it runs
 */
export const HealthCheck = Type.Union([
  Type.Object({ kind: Type.Literal("http"), url: Type.String({ minLength: 1 }) }, { additionalProperties: false }),
  Type.Object({ kind: Type.Literal("tcp"), port: Port }, { additionalProperties: false }),
  Type.Object({ kind: Type.Literal("redis"), port: Port }, { additionalProperties: false }),
  Type.Object({ kind: Type.Literal("postgres"), port: Port }, { additionalProperties: false }),
  Type.Object({ kind: Type.Literal("none") }, { additionalProperties: false }),
]);
export type HealthCheck = Static<typeof HealthCheck>;

export const stopSignals = ["SIGTERM", "SIGINT", "SIGQUIT"] as const;

/** What should run: body of `PUT /processes/:name`. The same spec again does nothing, another restarts the process. */
export const ProcessSpec = Type.Object(
  {
    name: ProcessNameSchema,
    role: oneOf(processRoles),
    cell: Type.Union([CellIdSchema, Type.Null()]),
    release: Type.Union([ReleaseNameSchema, Type.Null()]),
    command: Path,
    args: Type.Array(Type.String(), { maxItems: 100 }),
    /** Everything the process gets beside PATH, HOME, LANG, TZ and TMPDIR; nothing else is inherited. */
    env: Type.Record(Type.String(), Type.String()),
    cwd: Path,
    /** Whom it runs as; null is the supervisor's own user. */
    user: Type.Union([
      Type.Object(
        { uid: Type.Integer({ minimum: 0 }), gid: Type.Integer({ minimum: 0 }) },
        { additionalProperties: false },
      ),
      Type.Null(),
    ]),
    /**
     * Passes `cwd`, opened, as descriptor 3, so that `/proc/self/fd/3` reaches it even below a folder that only root may
     * enter.
     */
    directoryFd: Type.Boolean(),
    /**
     * A text in the command line of this process and of all that it forks, and in no other's. What outlives the process outside
     * its process group (PostgreSQL's backends do) is found by it and killed before a start. Null: the group is all.
     */
    mark: Type.Union([Type.String({ minLength: 8 }), Type.Null()]),
    /** Files (relative to `cwd`) that a killed process leaves and a new one would trip over; removed before a start. */
    staleFiles: Type.Array(Type.String({ pattern: "^[^/]+$" }), { maxItems: 10 }),
    port: Type.Union([Port, Type.Null()]),
    url: Type.Union([Type.String(), Type.Null()]),
    health: HealthCheck,
    stopSignal: oneOf(stopSignals),
    /** How long after `stopSignal` the process group gets SIGKILL. */
    graceMs: Type.Integer({ minimum: 0, maximum: 120_000 }),
    /** Processes to wait for (bounded) before the first start, and to outlive at a shutdown. An order, not a need. */
    after: Type.Array(ProcessNameSchema, { maxItems: 50 }),
    /**
     * Room kept on the process's disk: the file is given up when less than `freeBelowBytes` are free, so that a server which the full disk
     * stopped can start again, and is made anew when there is plenty.
     */
    ballast: Type.Optional(
      Type.Object(
        { file: Path, bytes: Type.Integer({ minimum: 1 }), freeBelowBytes: Type.Integer({ minimum: 1 }) },
        { additionalProperties: false },
      ),
    ),
    desired: oneOf(["running", "stopped"] as const),
  },
  { $id: "ProcessSpec", additionalProperties: false },
);
export type ProcessSpec = Static<typeof ProcessSpec>;

export const processStates = ["waiting", "starting", "running", "backoff", "stopping", "stopped"] as const;
export type ProcessState = (typeof processStates)[number];

export const ProcessStatus = Type.Object(
  {
    name: ProcessNameSchema,
    role: oneOf(processRoles),
    cell: Type.Union([CellIdSchema, Type.Null()]),
    release: Type.Union([ReleaseNameSchema, Type.Null()]),
    /** The process's own id; null when it does not run. */
    pid: Type.Union([Type.Integer(), Type.Null()]),
    port: Type.Union([Port, Type.Null()]),
    url: Type.Union([Type.String(), Type.Null()]),
    state: oneOf(processStates),
    /** Stopped by a person: it stays down until a person starts it, whatever else is asked. */
    held: Type.Boolean(),
    /** Starts after a death, since the spec was last changed. */
    restarts: Type.Integer({ minimum: 0 }),
    /** Since when in this state. */
    since: TimestampSchema,
    /**
     * How it last ended, e.g. `exit 1`, `SIGKILL`, `gone` (died unseen, while no supervisor watched), with the reason in brackets where one is
     * known: `SIGABRT (its heap was full)`, `SIGKILL (no answer to its health check for 62 s)`.
     */
    lastExit: Type.Union([Type.String(), Type.Null()]),
    /** What is wrong with it now, though it runs; null where nothing is. */
    problem: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  },
  { $id: "ProcessStatus", additionalProperties: false },
);
export type ProcessStatus = Static<typeof ProcessStatus>;

export const ProcessList = Type.Object(
  { processes: Type.Array(ProcessStatus) },
  { $id: "ProcessList", additionalProperties: false },
);
export type ProcessList = Static<typeof ProcessList>;

/** Rises when this contract changes: a supervisor of another version is replaced, and what it runs is adopted by the next. */
export const supervisorVersion = 2;

/** `<home>/supervisor/connection.json`, mode 0600: where the supervisor listens and what it wants to hear. */
export const Connection = Type.Object(
  {
    url: Type.String({ minLength: 1 }),
    token: Type.String({ minLength: 32 }),
    pid: Type.Integer({ minimum: 1 }),
    /** Kernel start time of the pid in clock ticks since boot: with it a reused pid is not mistaken for the supervisor. */
    startTime: Type.String({ pattern: "^[0-9]+$" }),
    /** `supervisorVersion` of the supervisor; missing in the first. */
    version: Type.Optional(Type.Integer()),
  },
  { $id: "SupervisorConnection", additionalProperties: false },
);
export type Connection = Static<typeof Connection>;
