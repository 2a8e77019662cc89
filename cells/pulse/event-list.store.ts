import type { Transaction } from "../kit/kit.ts";
import type { KnownEvent, Order } from "./schemas.ts";

/** Which events, in which order, from where on. */
export interface EventChoice {
  readonly from: Date | null;
  readonly to: Date | null;
  readonly order: Order;
  /** Moment and id of the last event that was read; null for the first. */
  readonly after: { readonly at: Date; readonly id: string } | null;
}

const columns = `id, type, user_id AS "user", at, value, properties, received_at AS "receivedAt"`;

// Both orders run along the index (tenant_id, at), which settles all but events of one and the same moment; a statement per order, since nothing that
// a client sends may become SQL.
const between = `at >= coalesce($1::timestamptz, '-infinity') AND at < coalesce($2::timestamptz, 'infinity')`;
const statements: Readonly<Record<Order, string>> = {
  newest: `SELECT ${columns} FROM events
    WHERE ${between} AND (at, id) < (coalesce($3::timestamptz, 'infinity'), $4::text) ORDER BY at DESC, id DESC LIMIT $5`,
  oldest: `SELECT ${columns} FROM events
    WHERE ${between} AND (at, id) > (coalesce($3::timestamptz, '-infinity'), $4::text) ORDER BY at, id LIMIT $5`,
};

interface EventRow extends Omit<KnownEvent, "at" | "receivedAt"> {
  readonly at: Date;
  readonly receivedAt: Date;
}

/** Up to `most` events of a choice. */
export async function listEvents(tx: Transaction, choice: EventChoice, most: number): Promise<KnownEvent[]> {
  const { from, to, order, after } = choice;
  const place = [after?.at ?? null, after?.id ?? ""];
  const result = await tx.query<EventRow>(statements[order], [from, to, ...place, most]);
  return result.rows.map(eventOf);
}

/** The tenant's event of that id. */
export async function readEvent(tx: Transaction, id: string): Promise<KnownEvent | undefined> {
  const result = await tx.query<EventRow>(`SELECT ${columns} FROM events WHERE id = $1`, [id]);
  return result.rows[0] === undefined ? undefined : eventOf(result.rows[0]);
}

function eventOf(row: EventRow): KnownEvent {
  return { ...row, at: row.at.toISOString(), receivedAt: row.receivedAt.toISOString() };
}
