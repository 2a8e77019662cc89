import type { Clock } from "../../common/clock.ts";
import type { ChangeEvent } from "../../common/contracts/control-plane.ts";
import type { Generation } from "../../common/contracts/fleet.ts";
import type { OperationId } from "../../common/ids.ts";
import { inTransaction, type Pool, type Queryable } from "../../common/postgres/pool.ts";
import { appendAudit } from "../audit/audit.store.ts";
import { publishRows } from "../fleet/publication.store.ts";
import type { RowUpdate } from "../fleet/rows.ts";
import { notify, type Topic } from "./notifications.store.ts";

/** What is changed for: goes into the audit. */
export interface Cause {
  readonly actor: string;
  readonly reason?: string | undefined;
}

/** One transaction of the registry: what it changes, what of that is published, and what is told about it. */
export interface Change {
  readonly tx: Queryable;
  /** Publishes a row's new value with the commit. */
  publish(update: RowUpdate): void;
  /** Writes an audit entry with the commit. */
  audit(
    action: string,
    target: string,
    options?: { readonly operation?: OperationId; readonly refused?: boolean; readonly reason?: string | null },
  ): void;
  /** Tells those who show it, after the commit. */
  announce(kind: ChangeEvent["kind"], id: string): void;
  /** Wakes those who work on it, after the commit. */
  wake(topic: Exclude<Topic, "event" | "fleet">): void;
}

/**
 * Runs a change as one transaction. Rows are published and audited at its end, in this order, whatever order they were named in: both
 * wait on a lock that everybody needs, so that a common order keeps two changes from waiting for each other.
 * @returns the result of `work`, and the generation that contains it.
 */
export async function change<Result>(
  { pool, clock }: { readonly pool: Pool; readonly clock: Clock },
  cause: Cause,
  work: (change: Change) => Promise<Result>,
): Promise<{ readonly result: Result; readonly generation: Generation | null }> {
  return await inTransaction(pool, async (tx) => {
    const updates: RowUpdate[] = [];
    const finish: (() => Promise<unknown>)[] = [];
    const at = new Date(clock.now());
    const result = await work({
      tx,
      publish: (update) => updates.push(update),
      audit: (action, target, options = {}) => {
        const { operation = null, refused = false, reason = cause.reason ?? null } = options;
        const note = {
          actor: cause.actor,
          action,
          target,
          outcome: refused ? "refused" : "done",
          reason,
          operation,
        } as const;
        finish.push(() => appendAudit(tx, note, at));
      },
      announce: (kind, id) =>
        finish.push(() => notify(tx, { topic: "event", event: { kind, id, at: at.toISOString() } })),
      wake: (topic) => finish.push(() => notify(tx, { topic })),
    });
    const generation = updates.length === 0 ? null : await publishRows(tx, updates);
    for (const step of finish) await step();
    return { result, generation: generation === null ? null : { term: generation.term, n: generation.n } };
  });
}
