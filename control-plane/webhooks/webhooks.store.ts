import type { Webhook, WebhookDelivery, WebhookType } from "../../common/contracts/webhooks.ts";
import type { Queryable } from "../../common/postgres/pool.ts";

export interface Endpoint {
  readonly id: string;
  readonly url: string;
  readonly secret: string;
}

/** One message to one endpoint. */
export interface Delivery extends Endpoint {
  readonly message: string;
  readonly body: string;
  /** This one included. */
  readonly tries: number;
}

export interface Message {
  /** The same message has the same id, however often it is told. */
  readonly id: string;
  readonly type: WebhookType;
  readonly body: string;
}

/** Writes what is to be told to everybody who wants it. Told before, or wanted by nobody, it changes nothing. @returns whether anybody will be told. */
export async function insertMessage(tx: Queryable, { id, type, body }: Message): Promise<boolean> {
  const text = `WITH message AS (
      INSERT INTO webhook_messages (id, type, body) SELECT $1, $2, $3
      WHERE EXISTS (SELECT FROM webhook_endpoints WHERE gone_at IS NULL) ON CONFLICT DO NOTHING RETURNING id)
    INSERT INTO webhook_deliveries (message, endpoint)
    SELECT message.id, e.id FROM message, webhook_endpoints e WHERE e.gone_at IS NULL`;
  return ((await tx.query(text, [id, type, body])).rowCount ?? 0) > 0;
}

/**
 * Takes deliveries that are due, so that no other control plane tries them: until `leaseSeconds` have passed, after which whoever took them has died.
 */
export async function takeDue(db: Queryable, limit: number, leaseSeconds: number): Promise<Delivery[]> {
  const text = `WITH due AS (
      SELECT message, endpoint FROM webhook_deliveries WHERE next_at <= now() ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED)
    UPDATE webhook_deliveries d SET tries = d.tries + 1, tried_at = now(), next_at = now() + make_interval(secs => $2)
    FROM due, webhook_endpoints e, webhook_messages m
    WHERE d.message = due.message AND d.endpoint = due.endpoint AND e.id = d.endpoint AND m.id = d.message
    RETURNING d.message, d.tries, m.body, e.id, e.url, e.secret`;
  return (await db.query<Delivery>(text, [limit, leaseSeconds])).rows;
}

/** Notes what became of a try. `pauseSeconds` null: it is not tried again. */
export async function settleDelivery(
  db: Queryable,
  { message, id }: Pick<Delivery, "message" | "id">,
  outcome: { readonly status: number | null; readonly error: string | null; readonly pauseSeconds: number | null },
): Promise<void> {
  const text = `UPDATE webhook_deliveries SET status = $3, error = $4,
      delivered_at = CASE WHEN $4::text IS NULL THEN now() END, next_at = now() + make_interval(secs => $5)
    WHERE message = $1 AND endpoint = $2`;
  await db.query(text, [message, id, outcome.status, outcome.error, outcome.pauseSeconds]);
}

/** Its receiver said that it is gone: nothing more is sent, and what waits is given up. */
export async function switchOff(tx: Queryable, id: string): Promise<void> {
  await tx.query("UPDATE webhook_endpoints SET gone_at = now() WHERE id = $1 AND gone_at IS NULL", [id]);
  await tx.query("UPDATE webhook_deliveries SET next_at = NULL WHERE endpoint = $1 AND next_at IS NOT NULL", [id]);
}

/** Forgets messages of long ago, with what became of them. */
export async function dropMessages(db: Queryable, olderThanDays: number): Promise<void> {
  await db.query("DELETE FROM webhook_messages WHERE created_at < now() - make_interval(days => $1)", [olderThanDays]);
}

export async function insertEndpoint(tx: Queryable, endpoint: Endpoint, createdBy: string): Promise<Date> {
  const text =
    "INSERT INTO webhook_endpoints (id, url, secret, created_by) VALUES ($1, $2, $3, $4) RETURNING created_at AS at";
  const values = [endpoint.id, endpoint.url, endpoint.secret, createdBy];
  const [row] = (await tx.query<{ at: Date }>(text, values)).rows;
  if (row === undefined) throw new Error("the endpoint was lost on the way");
  return row.at;
}

export async function countEndpoints(tx: Queryable): Promise<number> {
  const { rows } = await tx.query<{ count: number }>("SELECT count(*)::int AS count FROM webhook_endpoints");
  return rows[0]?.count ?? 0;
}

export async function findEndpoint(db: Queryable, id: string): Promise<Endpoint | null> {
  const text = "SELECT id, url, secret FROM webhook_endpoints WHERE id = $1";
  return (await db.query<Endpoint>(text, [id])).rows[0] ?? null;
}

/** @returns its URL; null where there was none. */
export async function deleteEndpoint(tx: Queryable, id: string): Promise<string | null> {
  const text = "DELETE FROM webhook_endpoints WHERE id = $1 RETURNING url";
  return (await tx.query<{ url: string }>(text, [id])).rows[0]?.url ?? null;
}

interface EndpointRow extends Omit<Webhook, "createdAt" | "lastDeliveredAt"> {
  readonly createdAt: Date;
  readonly lastDeliveredAt: Date | null;
}

/** All endpoints with what became of their messages, oldest first. */
export async function listEndpoints(db: Queryable): Promise<Webhook[]> {
  const text = `SELECT e.id, e.url, e.created_by AS "createdBy", e.created_at AS "createdAt",
      CASE WHEN e.gone_at IS NULL THEN 'on' ELSE 'off' END AS state,
      count(d.message) FILTER (WHERE d.next_at IS NOT NULL)::int AS pending,
      count(d.message) FILTER (WHERE d.delivered_at IS NOT NULL)::int AS delivered,
      count(d.message) FILTER (WHERE d.next_at IS NULL AND d.delivered_at IS NULL)::int AS failed,
      max(d.delivered_at) AS "lastDeliveredAt",
      (SELECT f.error FROM webhook_deliveries f WHERE f.endpoint = e.id AND f.error IS NOT NULL
        ORDER BY f.tried_at DESC LIMIT 1) AS "lastError"
    FROM webhook_endpoints e LEFT JOIN webhook_deliveries d ON d.endpoint = e.id GROUP BY e.id ORDER BY e.created_at, e.id`;
  return (await db.query<EndpointRow>(text)).rows.map((row) => ({
    ...row,
    createdAt: row.createdAt.toISOString(),
    lastDeliveredAt: row.lastDeliveredAt?.toISOString() ?? null,
  }));
}

interface DeliveryRow extends Omit<WebhookDelivery, "createdAt" | "nextAt" | "deliveredAt"> {
  readonly createdAt: Date;
  readonly nextAt: Date | null;
  readonly deliveredAt: Date | null;
}

/** The latest messages to an endpoint, newest first. */
export async function listDeliveries(db: Queryable, endpoint: string, limit: number): Promise<WebhookDelivery[]> {
  const text = `SELECT d.message, m.type, m.created_at AS "createdAt", d.tries, d.next_at AS "nextAt",
      d.delivered_at AS "deliveredAt", d.status, d.error
    FROM webhook_deliveries d JOIN webhook_messages m ON m.id = d.message
    WHERE d.endpoint = $1 ORDER BY m.created_at DESC, d.message DESC LIMIT $2`;
  return (await db.query<DeliveryRow>(text, [endpoint, limit])).rows.map((row) => ({
    ...row,
    createdAt: row.createdAt.toISOString(),
    nextAt: row.nextAt?.toISOString() ?? null,
    deliveredAt: row.deliveredAt?.toISOString() ?? null,
  }));
}
