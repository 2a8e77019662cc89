import { keyRowOf, tenantRowOf, uuidOf } from "../../tests/support/fleet-rows.ts";

export const tenantCount = 1_000;
export const cellCount = 4;
export const baseDomain = "soak.example";

export const hostOf = (tenant: number): string => `tenant-${tenant}.${baseDomain}`;
export const cellOf = (tenant: number): string => `cell-${tenant % cellCount}`;
export const keyOf = (tenant: number): string => `cpk_key-${tenant}`;

const limits = { requestsPerSecond: 1_000_000, inFlight: 1_000, bodyBytes: 8 * 1024 * 1024 };

export function tenantRow(tenant: number, more: Readonly<Record<string, unknown>> = {}): [string, object] {
  return [`tenant/${uuidOf(tenant)}`, tenantRowOf(tenant, { limits, ...more })];
}

export function fleetRows(firstPort: number): Record<string, unknown> {
  const rows: Record<string, unknown> = { "settings/fleet": { baseDomain, application: "soak" } };
  for (let cell = 0; cell < cellCount; cell += 1) {
    const slot = { url: `http://127.0.0.1:${firstPort + cell}`, adminUrl: "", workerUrl: "" };
    rows[`cell/cell-${cell}`] = {
      id: `cell-${cell}`,
      region: "eu",
      cordoned: false,
      slots: { a: slot, b: slot },
      liveSlot: "a",
      release: "soak@1",
    };
  }
  for (let tenant = 0; tenant < tenantCount; tenant += 1) {
    const [name, row] = tenantRow(tenant);
    rows[name] = row;
    const key = keyRowOf(tenant);
    rows[`key/${key.digest}`] = key;
  }
  return rows;
}
