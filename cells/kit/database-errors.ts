import { CellplaneError } from "../../common/errors.ts";
import { isUnreachable } from "../../common/postgres/away.ts";
import { sqlState } from "../../common/postgres/pool.ts";
import { cellError } from "./errors.ts";

/** What the database said about a lease with SQLSTATE CPL01. */
export interface LeaseRefusal {
  readonly state: "none" | "importing" | "ready" | "active" | "frozen" | "released";
  readonly epoch: number | null;
  /** The release record, where the tenant was given away. */
  readonly record: string | null;
}

/** SQLSTATEs of `cellplane.enter` and the fence. */
export const leaseStates = {
  notOwned: "CPL01",
  frozen: "CPL02",
  suspended: "CPL03",
  noTenant: "CPL04",
  isolation: "CPL05",
  unconfirmed: "CPL06",
} as const;

/** Of `cellplane.outbox_has_room`. */
const outboxFull = "CPL10";

/** Whether a job could not be added because the tenant's or the cell's outbox is full. */
export function isOutboxFull(error: unknown): boolean {
  return sqlState(error) === outboxFull;
}

/** Whether a job that met this error waits without using a try: the tenant is elsewhere, frozen or suspended, or the database is away. */
export function isRefusal(error: unknown): boolean {
  const state = sqlState(error);
  if (
    state === leaseStates.notOwned ||
    state === leaseStates.frozen ||
    state === leaseStates.suspended ||
    state === leaseStates.unconfirmed
  )
    return true;
  return isDatabaseAway(error);
}

/** The refusal's own words, for the 421 answer. */
export function leaseRefusal(error: unknown): LeaseRefusal | undefined {
  if (sqlState(error) !== leaseStates.notOwned) return undefined;
  const detail = (error as { readonly detail?: string }).detail;
  return JSON.parse(detail ?? '{"state":"none","epoch":null,"record":null}') as LeaseRefusal;
}

/** PostgreSQL's own word that a file could not grow (disk_full). */
const diskFull = "53100";

/** Whether the database could not be reached, is starting, is going down, or has no room for a write. */
export function isDatabaseAway(error: unknown): boolean {
  if (error instanceof CellplaneError) return error.code === "disk-nearly-full";
  return sqlState(error) === diskFull || isUnreachable(error);
}

/** Brings a database's error into the cell's table; undefined where it is nothing of ours. */
export function databaseProblem(error: unknown): CellplaneError | undefined {
  if (error instanceof CellplaneError) return undefined;
  if (sqlState(error) === diskFull)
    return cellError("disk-nearly-full", "The database found no room for more data.", {
      cause: error,
      extra: { retryAfterSeconds: 10 },
    });
  if (isDatabaseAway(error))
    return cellError("cell-unavailable", "The database does not answer.", {
      cause: error,
      extra: { retryAfterSeconds: 1 },
    });
  switch (sqlState(error)) {
    case leaseStates.notOwned:
      return cellError("not-owned-here", "The tenant is not owned here at the epoch of the assertion.", {
        cause: error,
      });
    case leaseStates.frozen:
      return cellError("tenant-frozen", "The tenant is being moved.", {
        cause: error,
        extra: { retryAfterSeconds: 1 },
      });
    case leaseStates.suspended: {
      const reason = (error as { readonly detail?: string }).detail ?? "";
      return cellError("tenant-suspended", reason === "" ? "No reason was given." : reason, { cause: error });
    }
    case leaseStates.unconfirmed:
      return cellError("incarnation-unconfirmed", "The lease belongs to another life of the database.", {
        cause: error,
        extra: { retryAfterSeconds: 5 },
      });
    case outboxFull:
      return cellError("outbox-full", "Jobs are added faster than they are done.", {
        cause: error,
        extra: { retryAfterSeconds: 10 },
      });
    // lock_not_available, query_canceled (statement_timeout), transaction_timeout, idle_in_transaction_session_timeout, deadlock
    case "55P03":
    case "57014":
    case "25P04":
    case "25P03":
    case "40P01":
      return cellError("transaction-too-long", "The database ended the transaction.", {
        cause: error,
        extra: { retryAfterSeconds: 1 },
      });
    // character_not_in_repertoire, untranslatable_character
    case "22021":
    case "22P05":
      return cellError("text-not-storable", "A text in the request cannot be stored.", { cause: error });
    default:
      return undefined;
  }
}
