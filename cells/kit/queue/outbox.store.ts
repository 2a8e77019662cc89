import { Compile } from "typebox/compile";
import type { Static, TSchema } from "typebox";
import type { Transaction } from "../tenant.store.ts";
import { rankOf, type Priority } from "./priorities.ts";

/** Wakes the relays of this cell's workers; a notice carries nothing, the table is the truth. */
export const outboxChannel = "cellplane_outbox";

/** A payload is a note of what to do, not the data itself: it is written twice, read at each try, and carried along by a move. */
export const mostPayloadBytes = 65_536;
/** A year: what is to happen later than that belongs into a table of the application's own. */
export const longestDelaySeconds = 366 * 86_400;
const mostKeyCharacters = 200;

/** The part of a job's definition that writing it down needs. */
export interface JobKind<Payload extends TSchema = TSchema> {
  readonly name: string;
  readonly version: number;
  readonly payload: Payload;
}

export interface AddOptions {
  /** At most one waiting job of a tenant and kind bears a key; adding it again does nothing. */
  readonly key?: string;
  /** Not before so many seconds have passed by the database's clock; parts of a second count. */
  readonly delaySeconds?: number;
  /** Not before this moment; not together with `delaySeconds`. */
  readonly runAt?: Date;
  /** Order among the tenant's own due jobs; default `normal`. Other tenants do not notice. */
  readonly priority?: Priority;
}

/**
 * Writes a job down in the tenant's own transaction: it exists if and only if that commits.
 * @returns the job's id, or undefined where a waiting job bears the key already.
 * @throws TypeError for a payload that does not fit its schema or is too large, or for options out of bounds; a database error with SQLSTATE
 * CPL10 when the tenant's or the cell's outbox is full (503 `outbox-full`).
 */
export async function addJob<Payload extends TSchema>(
  tx: Transaction,
  kind: JobKind<Payload>,
  payload: Static<Payload>,
  options: AddOptions = {},
): Promise<string | undefined> {
  const text = payloadText(kind, payload);
  const delaySeconds = checkedDelay(options);
  if (options.key !== undefined && (options.key === "" || options.key.length > mostKeyCharacters))
    throw new TypeError(`a job's key has 1 to ${mostKeyCharacters} characters`);
  // NOTIFY takes a lock of the whole database at commit, so that it is spent only on what is due at once.
  const added = await tx.query<{ id: string }>(
    `WITH added AS (
       INSERT INTO cellplane.outbox (job, payload_version, payload, key, priority, run_at)
       SELECT $1, $2, $3, $4, $5, coalesce($7::timestamptz, clock_timestamp() + make_interval(secs => $6))
       WHERE cellplane.outbox_has_room()
       ON CONFLICT (tenant_id, job, key) WHERE key IS NOT NULL AND enqueued_at IS NULL DO NOTHING
       RETURNING id, run_at
     )
     SELECT id, CASE WHEN run_at <= clock_timestamp() THEN pg_notify('${outboxChannel}', '')::text END FROM added`,
    [
      kind.name,
      kind.version,
      text,
      options.key ?? null,
      rankOf(options.priority),
      delaySeconds,
      options.runAt?.toISOString() ?? null,
    ],
  );
  return added.rows[0]?.id;
}

type Check = (payload: unknown) => boolean;
const checks = new WeakMap<TSchema, Check>();

/** Whether a payload fits its kind; the schema is compiled once. */
export function fitsPayload(schema: TSchema, payload: unknown): boolean {
  let check = checks.get(schema);
  if (check === undefined) {
    const compiled = Compile(schema);
    check = (value) => compiled.Check(value);
    checks.set(schema, check);
  }
  return check(payload);
}

/** A payload as it is written down. @throws TypeError where it does not fit its schema, or is too large. */
export function payloadText(kind: JobKind, payload: unknown): string {
  if (!fitsPayload(kind.payload, payload))
    throw new TypeError(`the payload does not fit the schema of the job ${kind.name}@${kind.version}`);
  const text = JSON.stringify(payload);
  if (Buffer.byteLength(text) > mostPayloadBytes)
    throw new TypeError(`the payload of a job ${kind.name} takes more than ${mostPayloadBytes} bytes`);
  return text;
}

function checkedDelay({ delaySeconds, runAt }: AddOptions): number {
  if (delaySeconds !== undefined && runAt !== undefined)
    throw new TypeError("a job has delaySeconds or runAt, not both");
  if (runAt !== undefined && Number.isNaN(runAt.getTime())) throw new TypeError("runAt is no date");
  const delay = delaySeconds ?? 0;
  if (!(delay >= 0 && delay <= longestDelaySeconds))
    throw new TypeError(`a job's delay is 0 to ${longestDelaySeconds} seconds`);
  return delay;
}
