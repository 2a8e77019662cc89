import type { DnsMarker } from "../../common/contracts/dns.ts";
import type { Generation } from "../../common/contracts/fleet.ts";

const shape =
  /^"cellplane fleet=(\S+) generation=(\d+)\.(\d+) serial=(\d+) plan=([0-9a-f]+) state=(applying|applied)"$/;

/** The marker as the value of a TXT record. */
export function markerText(marker: DnsMarker): string {
  const { fleet, generation, serial, plan, state } = marker;
  return `"cellplane fleet=${fleet} generation=${generation.term}.${generation.n} serial=${serial} plan=${plan} state=${state}"`;
}

/** The marker in a TXT record's value; null when it is something else. */
export function parseMarker(text: string): DnsMarker | null {
  const [, fleet, term, n, serial, plan, state] = shape.exec(text) ?? [];
  if (fleet === undefined || plan === undefined) return null;
  return {
    fleet,
    generation: { term: Number(term), n: Number(n) },
    serial: Number(serial),
    plan,
    state: state === "applied" ? "applied" : "applying",
  };
}

/** Below zero when `a` is older than `b`: the term first. */
export function compareGenerations(a: Generation, b: Generation): number {
  return a.term - b.term || a.n - b.n;
}
