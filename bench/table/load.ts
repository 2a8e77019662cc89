/**
 * A process that loads a fleet, looks tenants and keys up, and says what it took, as JSON on stdout:
 * `node --expose-gc bench/table/load.ts table|map <folder> <tenants> <keys: true|false> [key file]`.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { sha256 } from "../../common/canonical.ts";
import { SealedBundle } from "../../common/fleet/sealed-bundle.ts";
import { loadSigningKey } from "../../common/keys.ts";
import { uuidOf } from "../../tests/support/fleet-rows.ts";
import { RoutingTable } from "../../router/table/table.ts";
import { baseDomain, cellOf, hostOf } from "./fleet.ts";

interface Lookups {
  cellAt(host: string): string | undefined;
  tenantOfKey(digest: string): string | undefined;
}

const checked = 1_000;
const timed = 1_000_000;

function table(folder: string, keyFile: string): Lookups {
  const loaded = new SealedBundle(join(folder, "fleet"), loadSigningKey(keyFile)).load();
  if (loaded === null) throw new Error("there is no table");
  const routing = new RoutingTable();
  routing.apply(loaded.document, "all");
  return {
    cellAt: (host) => routing.tenantAt(host)?.cell,
    tenantOfKey: (digest) => routing.keyOf(digest)?.tenant,
  };
}

interface Row {
  readonly digest?: string;
  readonly slug: string;
  readonly cell: string;
  readonly tenant: string;
}

function map(folder: string): Lookups {
  const tenants = new Map<string, Row>();
  const keys = new Map<string, Row>();
  for (let file = 0; existsSync(join(folder, `rows-${file}.json`)); file += 1) {
    for (const row of JSON.parse(readFileSync(join(folder, `rows-${file}.json`), "utf8")) as Row[]) {
      if (row.digest === undefined) tenants.set(row.slug, row);
      else keys.set(row.digest, row);
    }
  }
  const suffix = baseDomain.length + 1;
  return {
    cellAt: (host) => tenants.get(host.slice(0, -suffix))?.cell,
    tenantOfKey: (digest) => keys.get(digest)?.tenant,
  };
}

function memoryBytes(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const [kind, folder = "", count = "0", withKeys, keyFile = ""] = process.argv.slice(2);
const tenants = Number(count);
const before = memoryBytes();
const begin = performance.now();
const lookups = kind === "table" ? table(folder, keyFile) : map(folder);
const loadMs = performance.now() - begin;
const bytes = memoryBytes() - before;

let wrong = 0;
for (let index = 0; index < checked; index += 1) {
  const tenant = (index * 7919) % tenants;
  if (lookups.cellAt(hostOf(tenant)) !== cellOf(tenant)) wrong += 1;
  if (withKeys === "true" && lookups.tenantOfKey(sha256(`cpk_key-${tenant}`)) !== uuidOf(tenant)) wrong += 1;
  if (lookups.cellAt(`no${hostOf(tenant)}`) !== undefined) wrong += 1;
}
// The same few hundred tenants, as traffic does it.
const hosts = Array.from({ length: 512 }, (_, index) => hostOf((index * 7919) % tenants));
for (const host of hosts) lookups.cellAt(host);
const from = performance.now();
for (let index = 0; index < timed; index += 1) lookups.cellAt(hosts[index & 511] ?? "");
const lookupNs = ((performance.now() - from) * 1e6) / timed;
process.stdout.write(`${JSON.stringify({ bytes, loadMs, lookupNs, wrong })}\n`);
