import { type Attributes, context, propagation, SpanStatusCode, trace } from "@opentelemetry/api";

/**
 * Spans of one part, by OpenTelemetry's API alone: without an SDK in the process they cost nothing, with one they go where it says.
 * @returns a function that runs `work` within a span; what it throws marks the span as failed and is thrown on.
 */
export function spansOf(
  part: string,
): <Result>(name: string, attributes: Attributes, work: () => Promise<Result>) => Promise<Result> {
  const tracer = trace.getTracer(`cellplane.${part}`);
  return (name, attributes, work) =>
    tracer.startActiveSpan(name, { attributes }, async (span) => {
      try {
        return await work();
      } catch (error) {
        span.recordException(error instanceof Error ? error : String(error));
        span.setStatus({ code: SpanStatusCode.ERROR });
        throw error;
      } finally {
        span.end();
      }
    });
}

/** Headers that carry the current trace to whoever is called (`traceparent`, `tracestate`); none without an SDK. */
export function traceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  propagation.inject(context.active(), headers);
  return headers;
}
