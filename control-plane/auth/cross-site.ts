/** What of a request tells where it comes from. */
export interface Provenance {
  readonly method: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** A header that a page of another site cannot set without asking us first (CORS), and we never say yes. */
  readonly customHeader: string | undefined;
}

const safeMethods = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Whether a request that bears the session's cookie may be another site's doing. Browsers send Origin with every request that changes
 * something, so that one without it must bear the custom header. (The cookie is SameSite=Strict too; this is the second wall.)
 */
export function isCrossSite({ method, host, origin, customHeader }: Provenance): boolean {
  if (safeMethods.has(method)) return false;
  if (origin === undefined) return customHeader === undefined;
  return host === undefined || (origin !== `http://${host}` && origin !== `https://${host}`);
}
