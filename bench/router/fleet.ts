import { sha256 } from "../../common/canonical.ts";

/** The fleet that every contender routes for. */
export const tenantCount = 10_000;
export const cellCount = 4;

/** One more tenant, on a cell of its own that takes large bodies and echoes WebSockets. */
export const bulkTenant = 10_000;
/** Of a large body. */
export const bigBytes = 64 * 1024;

export const hostOf = (tenant: number): string => `tenant-${tenant}.bench.example`;
export const cellOf = (tenant: number): number => (tenant === bulkTenant ? cellCount : tenant % cellCount);
export const keyOf = (tenant: number): string => `cpk_bench-key-of-tenant-${tenant}`;

const uuid = (kind: number, index: number): string =>
  `01890000-0000-7000-8${kind}00-${String(index).padStart(12, "0")}`;

/** Its rows in the fleet document: a key for each tenant, limits that are checked and never reached. */
export function fleetRows(firstPort: number): Record<string, unknown> {
  const rows: Record<string, unknown> = { "settings/fleet": { baseDomain: "bench.example", application: "bench" } };
  for (let cell = 0; cell <= cellCount; cell += 1) {
    const nowhere = "http://127.0.0.1:9";
    const slot = { url: `http://127.0.0.1:${firstPort + cell}`, adminUrl: nowhere, workerUrl: nowhere };
    const id = `cell-${cell}`;
    rows[`cell/${id}`] = {
      id,
      region: "eu",
      cordoned: false,
      slots: { a: slot, b: slot },
      liveSlot: "a",
      release: "bench@1",
    };
  }
  const limits = { requestsPerSecond: 1_000_000, inFlight: 1_000, bodyBytes: 1_048_576 };
  for (let tenant = 0; tenant <= bulkTenant; tenant += 1) {
    const id = uuid(0, tenant);
    const flags = { state: "active", reason: null, moving: false, synthetic: false };
    rows[`tenant/${id}`] = {
      id,
      slug: `tenant-${tenant}`,
      domains: [],
      tier: "free",
      cell: `cell-${cellOf(tenant)}`,
      epoch: 1,
      ...flags,
      limits,
    };
    const digest = sha256(keyOf(tenant));
    rows[`key/${digest}`] = { digest, id: uuid(1, tenant), tenant: id };
  }
  return rows;
}
