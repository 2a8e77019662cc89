/**
 * The host of a request without its port, in lower case; null when it is none that a tenant can have: empty, with userinfo, a
 * trailing dot, an address in brackets, or letters that a host name does not have (RFC 9110, section 7.2; RFC 1123, section 2.1).
 */
export function hostName(field: string): string | null {
  const match = /^([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::[0-9]{1,5})?$/i.exec(field);
  const name = match?.[1];
  if (name === undefined || name.length > 253 || name.includes("..")) return null;
  return name.toLowerCase();
}

/** How long the slug in `<slug>.<base domain>` is; 0 for any other host. Both in lower case. */
export function slugLength(name: string, baseDomain: string): number {
  const cut = name.length - baseDomain.length - 1;
  if (cut <= 0 || name.charCodeAt(cut) !== 0x2e || !name.endsWith(baseDomain)) return 0;
  return name.indexOf(".") === cut ? cut : 0;
}
