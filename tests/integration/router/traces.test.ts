import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Context, type Span, type SpanOptions, SpanStatusCode, trace, type Tracer } from "@opentelemetry/api";
import { Bed } from "./bed.ts";
import { ask } from "./client.ts";

/** What a span was told, in place of an SDK. */
class Recorded {
  ended = false;
  status: SpanStatusCode | null = null;
  readonly attributes: Record<string, unknown>;
  readonly name: string;
  readonly parent: string | undefined;
  readonly traceId: string;
  readonly spanId: string;

  constructor(name: string, attributes: Record<string, unknown>, parent: string | undefined, spanId: string) {
    this.name = name;
    this.attributes = { ...attributes };
    this.parent = parent;
    this.traceId = "a".repeat(32);
    this.spanId = spanId;
  }
  spanContext = () => ({ traceId: this.traceId, spanId: this.spanId, traceFlags: 1 });
  isRecording = () => true;
  setAttribute(name: string, value: unknown): void {
    this.attributes[name] = value;
  }
  setStatus({ code }: { code: SpanStatusCode }): void {
    this.status = code;
  }
  end(): void {
    this.ended = true;
  }
}

const spans: Recorded[] = [];
const tracer = {
  startSpan(name: string, options: SpanOptions, context: Context): Span {
    const parent = trace.getSpanContext(context)?.spanId;
    const made = new Recorded(name, options.attributes ?? {}, parent, String(spans.length + 1).padStart(16, "0"));
    spans.push(made);
    return made as unknown as Span;
  },
} as unknown as Tracer;

describe("traces", () => {
  const bed = new Bed();
  const given = (flags: string) => `00-${"a".repeat(32)}-${"b".repeat(16)}-${flags}`;
  const toldToCell = () => bed.one.received.at(-1)?.headers["traceparent"];
  before(async () => {
    await bed.start({ TRACE_EVERY: "3" });
  });
  after(async () => {
    trace.disable();
    await bed.stop();
  });

  it("without an SDK a sampled trace goes through as it came, and none is recorded", async () => {
    await ask(bed.port, { headers: { traceparent: given("01") } });
    assert.equal(toldToCell(), given("01"));
  });

  it("a sampled trace gets a span of the router's between the client's and the cell's, with status and without the query", async () => {
    trace.setGlobalTracerProvider({ getTracer: () => tracer });
    await ask(bed.port, { path: "/v1/a?secret=1", headers: { traceparent: given("01"), "x-request-id": "r-1" } });
    const [span] = spans;
    assert.ok(span?.ended);
    assert.deepEqual([span.name, span.parent, span.status], ["GET", "b".repeat(16), null]);
    assert.equal(span.attributes["http.response.status_code"], 200);
    assert.equal(span.attributes["url.path"], "/v1/a");
    assert.equal(span.attributes["cellplane.request"], "r-1");
    assert.equal(toldToCell(), `00-${"a".repeat(32)}-${span.spanId}-01`);
  });

  it("an unsampled trace makes no span; of those that begin here one in three is sampled", async () => {
    spans.length = 0;
    await ask(bed.port, { headers: { traceparent: given("00") } });
    assert.equal(toldToCell(), given("00"));
    assert.equal(spans.length, 0);
    for (let index = 0; index < 9; index += 1) await ask(bed.port);
    assert.equal(spans.length, 3);
    assert.ok(spans.every((span) => span.ended && span.parent === undefined));
  });

  it("a failure is marked, also where the answer broke off or the client went away", async () => {
    spans.length = 0;
    bed.one.script = (_, response) => {
      response.writeHead(503).end();
      return true;
    };
    await ask(bed.port, { headers: { traceparent: given("01") } });
    bed.one.script = (_, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("half");
      setTimeout(() => response.socket?.destroy(), 20);
      return true;
    };
    await assert.rejects(ask(bed.port, { headers: { traceparent: given("01") } }));
    bed.one.script = () => false;
    assert.deepEqual(
      spans.map(({ ended, status }) => [ended, status]),
      [
        [true, SpanStatusCode.ERROR],
        [true, SpanStatusCode.ERROR],
      ],
    );
  });

  it("clients get a hundred spans a second at most", async () => {
    spans.length = 0;
    const asked = Array.from({ length: 400 }, () => ask(bed.port, { headers: { traceparent: given("01") } }));
    const began = performance.now();
    await Promise.all(asked);
    const seconds = Math.floor((performance.now() - began) / 1_000) + 2;
    assert.ok(spans.length <= seconds * 100, `${spans.length} spans in ${seconds} s`);
  });
});
