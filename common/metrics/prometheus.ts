import { MetricsPage } from "../http/metrics-page.ts";
import type { Family } from "./family.ts";

/** Families in Prometheus' text format. */
export function toPrometheus(families: readonly Family[]): string {
  const page = new MetricsPage();
  for (const family of families) {
    const add = page.family(family.name, family.kind, family.help);
    if (family.kind !== "histogram") {
      for (const { value, labels } of family.points) add(value, labels);
      continue;
    }
    for (const { counts, sum, labels } of family.points) {
      let below = 0;
      counts.forEach((count, index) => {
        below += count;
        const bound = family.bounds[index];
        add(below, { ...labels, le: bound === undefined ? "+Inf" : String(bound) }, "_bucket");
      });
      add(sum, labels, "_sum");
      add(below, labels, "_count");
    }
  }
  return page.toString();
}
