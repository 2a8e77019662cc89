import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { CreatedTenant, CustomerTier } from "../../common/contracts/control-plane.ts";
import { homePaths, type DemoFile } from "../../common/contracts/home.ts";
import type { ControlPlaneApi } from "./api.ts";

/** The demo's tenants: of every tier, so that limits and placement have something to tell apart. */
const tenants: readonly { readonly slug: string; readonly tier: CustomerTier }[] = [
  { slug: "acme", tier: "enterprise" },
  { slug: "globex", tier: "pro" },
  { slug: "initech", tier: "free" },
  { slug: "hooli", tier: "enterprise" },
  { slug: "soylent", tier: "pro" },
  { slug: "wonka", tier: "free" },
];

/** Where the demo's tenants and keys are kept. */
export function demoPath(home: string): string {
  return join(home, homePaths.demo);
}

/**
 * Creates those of the demo's tenants that are not there yet and keeps their keys in a file that only the owner can read. One by one, each
 * written down as soon as it is made: its key is shown only once.
 */
export async function ensureDemoTenants(home: string, api: ControlPlaneApi): Promise<DemoFile> {
  const path = demoPath(home);
  let demo: DemoFile = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as DemoFile) : { tenants: [] };
  for (const { slug, tier } of tenants) {
    if (demo.tenants.some((tenant) => tenant.slug === slug)) continue;
    const made = await api.call<CreatedTenant>("POST", "/v1/tenants", { slug, tier });
    demo = { tenants: [...demo.tenants, { slug, host: made.host, key: made.key, tier, cell: made.cell }] };
    writePrivately(path, `${JSON.stringify(demo, null, 2)}\n`);
  }
  return demo;
}

/** Writes a file that only the owner can read, whole or not at all. */
export function writePrivately(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, text, { mode: 0o600 });
  renameSync(draft, path);
}
