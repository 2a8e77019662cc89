/**
 * How Node is started for a router. A router allocates much and keeps next to nothing of it. A small young generation stays in the core's cache; and it is
 * emptied before the bodies that passed through it, which lie outside of V8's heap and are counted all the same, bring on a collection of everything.
 * Measured in docs/decisions/0032-what-a-request-costs.md.
 */
export const routerFlags = ["--max-semi-space-size=2"] as const;
