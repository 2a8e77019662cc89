import { randomBytes } from "node:crypto";
import { sha256 } from "../../common/canonical.ts";
import { keyId, type KeyId, type TenantId } from "../../common/ids.ts";
import type { Queryable } from "../../common/postgres/pool.ts";
import { uuidv7 } from "../../common/uuid.ts";

/** A tenant's API key as the registry keeps it: never its text. */
export interface KeyRecord {
  readonly id: KeyId;
  readonly tenant: TenantId;
  readonly digest: string;
  readonly createdAt: Date;
}

/** A new key: its text, which is shown once, and what is kept of it. */
export function makeKey(): { readonly id: KeyId; readonly text: string; readonly digest: string } {
  const text = `cpk_${randomBytes(32).toString("base64url")}`;
  return { id: keyId(uuidv7()), text, digest: sha256(text) };
}

export async function insertKey(
  tx: Queryable,
  key: { readonly id: KeyId; readonly tenant: TenantId; readonly digest: string },
): Promise<void> {
  await tx.query("INSERT INTO api_keys (id, tenant, digest) VALUES ($1, $2, $3)", [key.id, key.tenant, key.digest]);
}

/** The live keys of tenants, oldest first. */
export async function liveKeys(db: Queryable, tenants: readonly TenantId[]): Promise<KeyRecord[]> {
  const text = `SELECT id, tenant, digest, created_at AS "createdAt" FROM api_keys
    WHERE tenant = ANY($1) AND revoked_at IS NULL ORDER BY created_at, id`;
  return (await db.query<KeyRecord>(text, [tenants])).rows;
}

/** Ends keys of a tenant. @returns the digests of those that lived until now. */
export async function revokeKeys(tx: Queryable, tenant: TenantId, ids: readonly KeyId[]): Promise<string[]> {
  const text =
    "UPDATE api_keys SET revoked_at = now() WHERE tenant = $1 AND id = ANY($2) AND revoked_at IS NULL RETURNING digest";
  return (await tx.query<{ digest: string }>(text, [tenant, ids])).rows.map(({ digest }) => digest);
}
