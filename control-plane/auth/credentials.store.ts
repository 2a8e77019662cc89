import type { Role } from "../../common/contracts/control-plane.ts";
import type { Queryable } from "../../common/postgres/pool.ts";

/** Who acts, and what he may. */
export interface Person {
  readonly name: string;
  readonly role: Role;
}

/** Makes the token with this digest the named operator's; the one he had before no longer works. */
export async function writeOperatorToken(
  tx: Queryable,
  token: Person & { readonly id: string; readonly digest: string },
): Promise<boolean> {
  const text = `INSERT INTO operator_tokens (id, name, role, digest) VALUES ($1, $2, $3, $4)
    ON CONFLICT (name) DO UPDATE SET role = excluded.role, digest = excluded.digest, revoked_at = NULL, created_at = now()
    WHERE (operator_tokens.digest, operator_tokens.role) IS DISTINCT FROM (excluded.digest, excluded.role) OR operator_tokens.revoked_at IS NOT NULL`;
  return (await tx.query(text, [token.id, token.name, token.role, token.digest])).rowCount === 1;
}

export async function findOperator(db: Queryable, digest: string): Promise<Person | null> {
  const text = "SELECT name, role FROM operator_tokens WHERE digest = $1 AND revoked_at IS NULL";
  return (await db.query<Person>(text, [digest])).rows[0] ?? null;
}

/** Those whose tokens work, by name. */
export async function listOperators(db: Queryable): Promise<(Person & { readonly since: Date })[]> {
  const text = "SELECT name, role, created_at AS since FROM operator_tokens WHERE revoked_at IS NULL ORDER BY name";
  return (await db.query<Person & { since: Date }>(text)).rows;
}

/** Holds whoever has, or had, that name until the transaction has ended. */
export async function lockOperator(
  tx: Queryable,
  name: string,
): Promise<{ readonly role: Role; readonly revoked: boolean } | null> {
  const text = "SELECT role, revoked_at IS NOT NULL AS revoked FROM operator_tokens WHERE name = $1 FOR UPDATE";
  return (await tx.query<{ role: Role; revoked: boolean }>(text, [name])).rows[0] ?? null;
}

/** Ends an operator's token, sessions and sign-in codes. */
export async function endOperator(tx: Queryable, name: string, at: Date): Promise<void> {
  await tx.query("UPDATE operator_tokens SET revoked_at = $2 WHERE name = $1", [name, at]);
  await tx.query("DELETE FROM sessions WHERE name = $1", [name]);
  await tx.query("DELETE FROM sign_in_codes WHERE name = $1", [name]);
}

export async function insertCode(
  tx: Queryable,
  code: Person & { readonly digest: string; readonly expiresAt: Date },
): Promise<void> {
  await tx.query("DELETE FROM sign_in_codes WHERE expires_at < now()");
  await tx.query("INSERT INTO sign_in_codes (digest, name, role, expires_at) VALUES ($1, $2, $3, $4)", [
    code.digest,
    code.name,
    code.role,
    code.expiresAt,
  ]);
}

/** Uses a code up. @returns whose it was, or null when it never was, has expired or was used before. */
export async function takeCode(tx: Queryable, digest: string, now: Date): Promise<Person | null> {
  const text = "DELETE FROM sign_in_codes WHERE digest = $1 AND expires_at > $2 RETURNING name, role";
  return (await tx.query<Person>(text, [digest, now])).rows[0] ?? null;
}

export async function insertSession(
  tx: Queryable,
  session: Person & { readonly digest: string; readonly expiresAt: Date },
): Promise<void> {
  await tx.query("DELETE FROM sessions WHERE expires_at < now()");
  await tx.query("INSERT INTO sessions (digest, name, role, expires_at) VALUES ($1, $2, $3, $4)", [
    session.digest,
    session.name,
    session.role,
    session.expiresAt,
  ]);
}

export async function findSession(db: Queryable, digest: string, now: Date): Promise<Person | null> {
  return (
    (await db.query<Person>("SELECT name, role FROM sessions WHERE digest = $1 AND expires_at > $2", [digest, now]))
      .rows[0] ?? null
  );
}

export async function deleteSession(tx: Queryable, digest: string): Promise<void> {
  await tx.query("DELETE FROM sessions WHERE digest = $1", [digest]);
}
