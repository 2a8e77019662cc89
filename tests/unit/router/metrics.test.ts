import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import Type from "typebox";
import Value from "typebox/value";
import { systemClock } from "../../../common/clock.ts";
import type { CellId } from "../../../common/ids.ts";
import { createLog } from "../../../common/log.ts";
import type { Family } from "../../../common/metrics/family.ts";
import { OtlpExporter, headersOf } from "../../../common/metrics/otlp-exporter.ts";
import { toOtlp } from "../../../common/metrics/otlp.ts";
import { toPrometheus } from "../../../common/metrics/prometheus.ts";
import { SampleCounters } from "../../../router/admin/samples.ts";
import { TopTenants } from "../../../router/admin/top-tenants.ts";

const families: Family[] = [
  {
    name: "cellplane_router_parked_total",
    kind: "counter",
    help: "Parked.",
    points: [{ value: 3, labels: { a: 'b"c' } }],
  },
  { name: "cellplane_router_age_seconds", kind: "gauge", help: "Age.", points: [{ value: Number.POSITIVE_INFINITY }] },
  {
    name: "cellplane_router_latency_seconds",
    kind: "histogram",
    help: "Latency.",
    bounds: [0.1, 1],
    points: [{ counts: [2, 1, 4], sum: 9.5, labels: { cell: "cell-1" } }],
  },
];

/** The JSON form of opentelemetry/proto/collector/metrics/v1/metrics_service.proto, as far as it is used: 64-bit integers are text. */
const attribute = Type.Object(
  { key: Type.String(), value: Type.Object({ stringValue: Type.String() }, { additionalProperties: false }) },
  { additionalProperties: false },
);
const whole = Type.String({ pattern: "^[0-9]+$" });
const times = { attributes: Type.Array(attribute), startTimeUnixNano: whole, timeUnixNano: whole };
const numberPoint = Type.Object({ ...times, asDouble: Type.Number() }, { additionalProperties: false });
const histogramPoint = Type.Object(
  {
    ...times,
    count: whole,
    sum: Type.Number(),
    bucketCounts: Type.Array(whole),
    explicitBounds: Type.Array(Type.Number()),
  },
  { additionalProperties: false },
);
const about = { name: Type.String(), description: Type.String() };
const closed = { additionalProperties: false };
const metric = Type.Union([
  Type.Object({ ...about, gauge: Type.Object({ dataPoints: Type.Array(numberPoint) }, closed) }, closed),
  Type.Object(
    {
      ...about,
      sum: Type.Object(
        {
          dataPoints: Type.Array(numberPoint),
          aggregationTemporality: Type.Literal(2),
          isMonotonic: Type.Boolean(),
        },
        closed,
      ),
    },
    closed,
  ),
  Type.Object(
    {
      ...about,
      histogram: Type.Object(
        { dataPoints: Type.Array(histogramPoint), aggregationTemporality: Type.Literal(2) },
        closed,
      ),
    },
    closed,
  ),
]);
const ExportMetrics = Type.Object(
  {
    resourceMetrics: Type.Array(
      Type.Object(
        {
          resource: Type.Object({ attributes: Type.Array(attribute) }, closed),
          scopeMetrics: Type.Array(
            Type.Object({ scope: Type.Object({ name: Type.String() }, closed), metrics: Type.Array(metric) }, closed),
          ),
        },
        closed,
      ),
    ),
  },
  closed,
);

describe("metrics", () => {
  it("in Prometheus' text: buckets add up, labels are escaped, infinity has its name", () => {
    assert.equal(
      toPrometheus(families),
      `# HELP cellplane_router_parked_total Parked.
# TYPE cellplane_router_parked_total counter
cellplane_router_parked_total{a="b\\"c"} 3
# HELP cellplane_router_age_seconds Age.
# TYPE cellplane_router_age_seconds gauge
cellplane_router_age_seconds +Inf
# HELP cellplane_router_latency_seconds Latency.
# TYPE cellplane_router_latency_seconds histogram
cellplane_router_latency_seconds_bucket{cell="cell-1",le="0.1"} 2
cellplane_router_latency_seconds_bucket{cell="cell-1",le="1"} 3
cellplane_router_latency_seconds_bucket{cell="cell-1",le="+Inf"} 7
cellplane_router_latency_seconds_sum{cell="cell-1"} 9.5
cellplane_router_latency_seconds_count{cell="cell-1"} 7
`,
    );
  });

  it("in OpenTelemetry's JSON: cumulative, 64-bit integers as text, buckets each for itself, no infinity", () => {
    const request = toOtlp(families, { resource: { "service.name": "x" }, scope: "s", startedAt: 1_000, now: 2_000.7 });
    assert.ok(
      Value.Check(ExportMetrics, request),
      JSON.stringify([...Value.Errors(ExportMetrics, request)].slice(0, 3)),
    );
    const [metrics] = request.resourceMetrics.map(({ scopeMetrics: [first] }) => first?.metrics ?? []);
    assert.deepEqual(
      metrics?.map(({ name }) => name),
      ["cellplane.router.parked", "cellplane.router.age_seconds", "cellplane.router.latency_seconds"],
    );
    const [sum, gauge, histogram] = metrics as unknown as [{ sum: object }, { gauge: object }, { histogram: object }];
    const at = { startTimeUnixNano: "1000000000", timeUnixNano: "2000000000" };
    assert.deepEqual(sum.sum, {
      dataPoints: [{ attributes: [{ key: "a", value: { stringValue: 'b"c' } }], ...at, asDouble: 3 }],
      aggregationTemporality: 2,
      isMonotonic: true,
    });
    assert.deepEqual(gauge.gauge, { dataPoints: [] });
    assert.deepEqual(histogram.histogram, {
      dataPoints: [
        {
          attributes: [{ key: "cell", value: { stringValue: "cell-1" } }],
          ...at,
          count: "7",
          sum: 9.5,
          bucketCounts: ["2", "1", "4"],
          explicitBounds: [0.1, 1],
        },
      ],
      aggregationTemporality: 2,
    });
  });

  it("are pushed to a collector with its headers; one that is down is missed by nobody", async () => {
    const got: { path: string | undefined; key: unknown; body: unknown }[] = [];
    const collector = createServer((request, response) => {
      let text = "";
      request.on("data", (chunk: Buffer) => (text += chunk.toString()));
      request.on("end", () => {
        got.push({ path: request.url, key: request.headers["api-key"], body: JSON.parse(text) });
        response.end("{}");
      });
    });
    await new Promise<void>((resolve) => {
      collector.listen(0, "127.0.0.1", resolve);
    });
    const { port } = collector.address() as AddressInfo;
    const exporter = new OtlpExporter({
      endpoint: `http://127.0.0.1:${port}/`,
      headers: headersOf("api-key=se%3Dcret, other=1"),
      everyMs: 20,
      resource: { "service.name": "cellplane-router" },
      scope: "cellplane.router",
      collect: () => families,
      clock: systemClock,
      log: createLog("test", "silent"),
    });
    exporter.start();
    for (let n = 0; n < 2_000 && got.length < 2; n += 1) await sleep(10);
    assert.ok(got.length >= 2);
    assert.deepEqual([got[0]?.path, got[0]?.key], ["/v1/metrics", "se=cret"]);
    assert.ok(Value.Check(ExportMetrics, got[0]?.body));
    collector.close();
    collector.closeAllConnections();
    await exporter.push();
    await exporter.close();
  });

  it("of the tenants with most requests: bounded memory, the heavy ones found, the error told", () => {
    const top = new TopTenants(3);
    for (let n = 0; n < 3_000; n += 1) {
      for (const heavy of ["one", "two", "two", "three", "three", "three"]) top.count(heavy);
      top.count(`passer-by-${n}`);
    }
    const found = top.top();
    assert.deepEqual(
      found.map(({ slug }) => slug),
      ["three", "two", "one"],
    );
    for (const { requests, error, slug } of found) {
      const real = { one: 3_000, two: 6_000, three: 9_000 }[slug] ?? 0;
      assert.ok(requests >= real && requests - error <= real, `${slug}: ${requests} ± ${error}`);
    }
    const none = new TopTenants(0);
    none.count("acme");
    assert.deepEqual(none.top(), []);
  });

  it("by tier add up to what a rollout is judged by", () => {
    const samples = new SampleCounters("router-1", systemClock, new TopTenants(0));
    const cell = "cell-1" as CellId;
    for (const tier of ["free", "pro", "pro"] as const)
      samples.count(cell, "pulse@1", { tier, synthetic: false, slug: "x" }, 200, 4);
    samples.count(cell, "pulse@1", { tier: "synthetic", synthetic: true, slug: "y" }, 500, 4);
    assert.equal([...samples.series()].length, 3);
    assert.deepEqual(
      samples
        .toSamples()
        .counters.map(({ synthetic, requests, errors, latency }) => [
          synthetic,
          requests,
          errors,
          latency.reduce((all, count) => all + count, 0),
        ]),
      [
        [false, 3, 0, 3],
        [true, 1, 1, 1],
      ],
    );
  });
});
