import type { Tenant } from "../../../common/contracts/control-plane.ts";

/** Empty words match everything. */
export interface Filter {
  readonly text: string;
  readonly tier: string;
  readonly cell: string;
  readonly state: string;
}

export const noFilter: Filter = { text: "", tier: "", cell: "", state: "" };

/** Tenants that satisfy every part of the filter, by slug. */
export function filterTenants(tenants: readonly Tenant[], filter: Filter): Tenant[] {
  const text = filter.text.trim().toLowerCase();
  return tenants
    .filter(
      (tenant) => text === "" || tenant.slug.includes(text) || tenant.host.includes(text) || tenant.id.startsWith(text),
    )
    .filter((tenant) => filter.tier === "" || tenant.tier === filter.tier)
    .filter((tenant) => filter.cell === "" || tenant.cell === filter.cell)
    .filter((tenant) => filter.state === "" || tenant.state === filter.state)
    .toSorted((one, other) => one.slug.localeCompare(other.slug, "en"));
}

/** The words that occur, to choose among. */
export function wordsOf(tenants: readonly Tenant[], name: "tier" | "cell" | "state"): string[] {
  return [...new Set(tenants.map((tenant) => tenant[name]))].toSorted((one, other) =>
    one.localeCompare(other, "en", { numeric: true }),
  );
}
