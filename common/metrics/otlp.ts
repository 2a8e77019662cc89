import type { Family, Labels } from "./family.ts";

/** AGGREGATION_TEMPORALITY_CUMULATIVE: counters count from the start of the process. */
const cumulative = 2;

interface Source {
  /** Attributes of the process, e.g. `service.name`. */
  readonly resource: Labels;
  /** Name of the instrumentation scope. */
  readonly scope: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly now: number;
}

const attributes = (labels: Labels = {}) =>
  Object.entries(labels).map(([key, value]) => ({ key, value: { stringValue: value } }));
/** Nanoseconds do not fit a double: they are text in OTLP's JSON, as all 64-bit integers. */
const nanoseconds = (ms: number): string => `${Math.floor(ms)}000000`;

/**
 * Families as an ExportMetricsServiceRequest in JSON (OpenTelemetry protocol 1.x, opentelemetry/proto/metrics/v1). Values that JSON cannot hold
 * (infinities) are left out.
 */
export function toOtlp(families: readonly Family[], source: Source): object {
  const times = { startTimeUnixNano: nanoseconds(source.startedAt), timeUnixNano: nanoseconds(source.now) };
  return {
    resourceMetrics: [
      {
        resource: { attributes: attributes(source.resource) },
        scopeMetrics: [{ scope: { name: source.scope }, metrics: families.map((family) => metricOf(family, times)) }],
      },
    ],
  };
}

function metricOf(family: Family, times: object): object {
  // As OpenTelemetry names things: dots between parts, and no suffix for counters.
  const name = family.name.replace(/^([a-z]+)_([a-z]+)_/, "$1.$2.").replace(/_total$/, "");
  const about = { name, description: family.help };
  if (family.kind === "histogram") {
    const dataPoints = family.points.map(({ counts, sum, labels }) => ({
      attributes: attributes(labels),
      ...times,
      count: String(counts.reduce((all, count) => all + count, 0)),
      sum,
      bucketCounts: counts.map(String),
      explicitBounds: family.bounds,
    }));
    return { ...about, histogram: { dataPoints, aggregationTemporality: cumulative } };
  }
  const dataPoints = family.points
    .filter(({ value }) => Number.isFinite(value))
    .map(({ value, labels }) => ({ attributes: attributes(labels), ...times, asDouble: value }));
  if (family.kind === "gauge") return { ...about, gauge: { dataPoints } };
  return { ...about, sum: { dataPoints, aggregationTemporality: cumulative, isMonotonic: true } };
}
