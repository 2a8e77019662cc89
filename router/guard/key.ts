import { hash } from "node:crypto";

const bearer = /^bearer +(cpk_[A-Za-z0-9_-]{1,200}) *$/i;

/**
 * The digest of the API key in an Authorization field: SHA-256, lower-case hex. Null where the field holds something else, which is then
 * the application's own business. A key is taken from this field alone, never from a URL, which ends up in logs and histories.
 */
export function keyDigestOf(authorization: string | undefined): string | null {
  if (authorization === undefined) return null;
  const key = bearer.exec(authorization)?.[1];
  return key === undefined ? null : hash("sha256", key, "hex");
}

/** Whether the field looks like an API key of ours; a malformed one is refused too, and never passed on. */
export function looksLikeKey(authorization: string | undefined): boolean {
  return authorization !== undefined && /\bcpk_/i.test(authorization);
}

/** Keys whose digest is remembered, about 300 bytes each: more than are in use at once. */
const maxRemembered = 20_000;

/**
 * Remembers the digest of the Authorization fields that were right, for hashing costs as much as all else that a key needs. Only the digest is
 * remembered, not what it opens: a revoked key finds nothing in the table, however well its digest is known. It is never printed.
 */
export class KeyDigests {
  readonly #known = new Map<string, string>();

  /** @returns as `keyDigestOf`. */
  of(authorization: string): string | null {
    return this.#known.get(authorization) ?? keyDigestOf(authorization);
  }

  /** The digest stands in the table. A stranger's guesses are not remembered, so that they push out nobody. */
  remember(authorization: string, digest: string): void {
    if (this.#known.has(authorization)) return;
    // A copy: a slice would keep the whole head in memory that it was cut from.
    this.#known.set(Buffer.from(authorization, "latin1").toString("latin1"), digest);
    if (this.#known.size <= maxRemembered) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}
