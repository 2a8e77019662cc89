import type { AuditEntry } from "../../common/contracts/control-plane.ts";
import type { Pool, Queryable } from "../../common/postgres/pool.ts";
import { chainHash, followChain, genesis, type AuditNote, type ChainBreak } from "./chain.ts";

const page = 1_000;

interface Row extends Omit<AuditEntry, "at"> {
  readonly at: Date;
}
const entryOf = (row: Row): AuditEntry => ({ ...row, at: row.at.toISOString() });

/** Adds an entry in the transaction of what it tells about. The head row is locked until the commit: call it last. */
export async function appendAudit(tx: Queryable, note: AuditNote, at: Date): Promise<AuditEntry> {
  const { rows } = await tx.query<{ sequence: number; hash: string }>(
    "SELECT sequence, hash FROM audit_head FOR UPDATE",
  );
  const [head] = rows;
  if (head === undefined) throw new Error("the audit's head is missing");
  const { actor, action, target, outcome, reason, operation } = note;
  const plain = {
    sequence: head.sequence + 1,
    at: at.toISOString(),
    actor,
    action,
    target,
    outcome,
    reason,
    operation,
  };
  const entry: AuditEntry = { ...plain, hash: chainHash(head.hash, plain) };
  const insert = `INSERT INTO audit_entries (sequence, at, actor, action, target, outcome, reason, operation, hash)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`;
  await tx.query(insert, [entry.sequence, entry.at, actor, action, target, outcome, reason, operation, entry.hash]);
  await tx.query("UPDATE audit_head SET sequence = $1, hash = $2", [entry.sequence, entry.hash]);
  return entry;
}

/** The latest entries, newest first; `before` pages on. */
export async function listAudit(db: Queryable, limit: number, before: number | null): Promise<AuditEntry[]> {
  const text = `SELECT sequence, at, actor, action, target, outcome, reason, operation, hash FROM audit_entries
    WHERE $2::bigint IS NULL OR sequence < $2 ORDER BY sequence DESC LIMIT $1`;
  return (await db.query<Row>(text, [limit, before])).rows.map(entryOf);
}

/**
 * Verifies the whole chain, and that it ends where the head says.
 * @returns the first break, or null when it holds.
 */
export async function verifyAudit(pool: Pool): Promise<ChainBreak | null> {
  const { rows } = await pool.query<{ sequence: number; hash: string }>("SELECT sequence, hash FROM audit_head");
  const [head] = rows;
  const text = `SELECT sequence, at, actor, action, target, outcome, reason, operation, hash FROM audit_entries
    WHERE sequence > $1 AND sequence <= $2 ORDER BY sequence LIMIT ${page}`;
  let at = { sequence: 0, hash: genesis };
  for (;;) {
    const entries = (await pool.query<Row>(text, [at.sequence, head?.sequence ?? 0])).rows.map(entryOf);
    if (entries.length === 0) break;
    const { broken, ...reached } = followChain(at, entries);
    if (broken !== null) return broken;
    at = reached;
  }
  return at.sequence === head?.sequence && at.hash === head.hash ? null : { sequence: at.sequence + 1, reason: "head" };
}
