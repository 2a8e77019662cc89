import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SigningKey } from "../../common/keys.ts";
import { CompactRows } from "../../common/fleet/compact/rows.ts";
import { FleetDocument } from "../../common/fleet/document.ts";
import { sealEnvelope } from "../../common/fleet/envelope.ts";
import { SealedBundle } from "../../common/fleet/sealed-bundle.ts";
import { cellRowOf, keyRowOf, tenantRowOf, uuidOf } from "../../tests/support/fleet-rows.ts";

/** Rows in one file of the peer's: all in one would be longer than V8's longest string. */
const rowsOfAFile = 100_000;
const cells = 4;

export const cellOf = (tenant: number): string => `cell-${tenant % cells}`;
export const baseDomain = "bench.example";
export const hostOf = (tenant: number): string => `tenant-${tenant}.${baseDomain}`;

/**
 * Writes the same fleet twice: as the router keeps it (`<folder>/fleet`), and as JSON, some files of an array of rows each
 * (`<folder>/rows-0.json` …).
 */
export async function writeFleet(folder: string, tenants: number, keys: boolean, key: SigningKey): Promise<void> {
  const rows = new CompactRows();
  const others: unknown[] = [];
  const set = (name: string, value: Record<string, unknown>) => {
    rows.set(name, value);
    others.push({ name, value });
  };
  set("settings/fleet", { baseDomain, application: "bench" });
  for (let cell = 0; cell < cells; cell += 1) set(`cell/cell-${cell}`, cellRowOf(`cell-${cell}`, 9));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "others.json"), JSON.stringify(others));
  for (let from = 0; from < tenants; from += rowsOfAFile) {
    const file: unknown[] = [];
    for (let tenant = from; tenant < Math.min(tenants, from + rowsOfAFile); tenant += 1) {
      const row = tenantRowOf(tenant);
      rows.set(`tenant/${uuidOf(tenant)}`, row);
      file.push(row);
      if (!keys) continue;
      const keyRow = keyRowOf(tenant);
      rows.set(`key/${keyRow.digest}`, keyRow);
      file.push(keyRow);
    }
    writeFileSync(join(folder, `rows-${from / rowsOfAFile}.json`), JSON.stringify(file));
  }
  // What is loaded was verified when it came; here it is made, and nobody looks at its hash.
  const document = FleetDocument.restored(rows, { term: 1, n: 1 }, "0".repeat(64));
  await new SealedBundle(join(folder, "fleet"), key).save(sealEnvelope({}, key), document, []);
}
