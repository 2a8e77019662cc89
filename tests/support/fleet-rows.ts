import { sha256 } from "../../common/canonical.ts";

/** The UUID with that number, of that kind (a hex digit). */
export function uuidOf(number: number, kind = "0"): string {
  return `01890000-0000-7000-8${kind}00-${number.toString(16).padStart(12, "0")}`;
}

/** A tenant's row as a registry publishes it; what a test does not care about is filled in. */
export function tenantRowOf(number: number, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    id: uuidOf(number),
    slug: `tenant-${number}`,
    domains: [],
    tier: "pro",
    cell: `cell-${number % 4}`,
    epoch: 1,
    state: "active",
    reason: null,
    moving: false,
    synthetic: false,
    limits: { requestsPerSecond: 100, inFlight: 50, bodyBytes: 1_048_576 },
    ...more,
  };
}

/** The row of the only key of that tenant, and its digest. */
export function keyRowOf(number: number, text = `cpk_key-${number}`): { digest: string; id: string; tenant: string } {
  return { digest: sha256(text), id: uuidOf(number, "1"), tenant: uuidOf(number) };
}

/** Rows of a document of that many tenants, in the order in which a snapshot has them. */
export function documentRows(tenants: number, options: { readonly keys: boolean }): Record<string, unknown> {
  const rows: Record<string, unknown> = {};
  for (let cell = 0; cell < 4; cell += 1) rows[`cell/cell-${cell}`] = cellRowOf(`cell-${cell}`);
  if (options.keys)
    for (let number = 0; number < tenants; number += 1) {
      const row = keyRowOf(number);
      rows[`key/${row.digest}`] = row;
    }
  rows["settings/fleet"] = { baseDomain: "example.test", application: "pulse" };
  for (let number = 0; number < tenants; number += 1) rows[`tenant/${uuidOf(number)}`] = tenantRowOf(number);
  return rows;
}

export function cellRowOf(id: string, firstPort = 1): Record<string, unknown> {
  const slot = (port: number) => ({ url: `http://127.0.0.1:${port}`, adminUrl: "", workerUrl: "" });
  return {
    id,
    region: "eu",
    cordoned: false,
    slots: { a: slot(firstPort), b: slot(firstPort + 1) },
    liveSlot: "a",
    release: "pulse@1",
  };
}
