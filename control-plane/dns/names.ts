/** Set identifiers of our records begin so; nothing else in the zone is ever touched. */
export const identifierPrefix = "cellplane/";

/** All tenants without a record of their own. */
export const wildcardName = (baseDomain: string): string => `*.${baseDomain}`;

// An underscore cannot be in a tenant's slug, so that no slug ever collides with these.

/** The routers of one region, by weight. */
export const routersName = (region: string, baseDomain: string): string => `${region}._routers.${baseDomain}`;

/** The way in by one region: its routers, or, all of them failing, those of the next region. */
export const entryName = (region: string, baseDomain: string): string => `${region}._entry.${baseDomain}`;

export const tenantName = (slug: string, baseDomain: string): string => `${slug}.${baseDomain}`;

/** The TXT record that keeps the generation beside the records. */
export const markerName = (baseDomain: string): string => `_cellplane.${baseDomain}`;

/** As Route 53 lists names (final dot, `*` as `\052`) → as we write them. */
export function plainName(listed: string): string {
  return listed.replace(/\\052/g, "*").replace(/\.$/, "").toLowerCase();
}
