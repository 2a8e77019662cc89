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
