import { useSyncExternalStore } from "react";

export const pageNames = ["fleet", "rollout", "tenants", "numbers", "audit"] as const;
export type PageName = (typeof pageNames)[number];

/** The page that the address names after `#/`; the fleet where it names none. */
export function usePage(): PageName {
  return useSyncExternalStore(listen, current);
}

function listen(changed: () => void): () => void {
  window.addEventListener("hashchange", changed);
  return () => window.removeEventListener("hashchange", changed);
}

function current(): PageName {
  const name = window.location.hash.replace(/^#\//, "");
  return pageNames.find((page) => page === name) ?? "fleet";
}
