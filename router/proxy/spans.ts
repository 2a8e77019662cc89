import { type Context, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace, TraceFlags } from "@opentelemetry/api";
import type { Clock } from "../../common/clock.ts";
import type { TenantRow } from "../../common/contracts/fleet.ts";
import type { CheckedHead } from "../guard/head.ts";
import { isSampled, type Ids } from "../guard/trace.ts";

/** Spans a second that clients can ask for by the sampled flag: whoever wants more traces pays for them at home. */
const askedPerSecond = 100;

/** A request as far as its span needs it. */
interface Spanned {
  readonly head: CheckedHead;
  readonly ids: Ids;
  span: Span | null;
}

const tracer = trace.getTracer("cellplane.router");

/**
 * Spans of sampled requests, by OpenTelemetry's API alone: without an SDK in the process (`node --import …`) there are none, and what clients ask for
 * is passed on. A request that is not sampled costs one comparison.
 */
export class Spans {
  readonly #every: number;
  readonly #clock: Clock;
  #fresh = 0;
  #second = 0;
  #asked = 0;

  /** @param every one of so many traces that begin here is sampled; 0 for none. */
  constructor(every: number, clock: Clock) {
    this.#every = every;
    this.#clock = clock;
  }

  /** Begins a span for a sampled request, under which its trace goes on. */
  follow(exchange: Spanned, tenant: TenantRow): void {
    const { ids } = exchange;
    const given = ids.givenTrace;
    if (given !== null) {
      if (isSampled(given) && this.#mayAsk()) this.#begin(exchange, contextOf(given), given, tenant);
      return;
    }
    if (this.#every === 0) return;
    this.#fresh += 1;
    if (this.#fresh < this.#every) return;
    this.#fresh = 0;
    this.#begin(exchange, ROOT_CONTEXT, `${ids.traceparent.slice(0, -2)}01`, tenant);
  }

  #begin(exchange: Spanned, parent: Context, otherwise: string, tenant: TenantRow): void {
    const { head, ids } = exchange;
    const attributes = {
      "http.request.method": head.method,
      // The query stays out: it is where secrets end up.
      "url.path": head.target.split("?", 1)[0] ?? "",
      "server.address": head.hostField,
      "cellplane.tenant": tenant.id,
      "cellplane.cell": tenant.cell,
      "cellplane.request": ids.request,
    };
    const span = tracer.startSpan(head.method, { kind: SpanKind.SERVER, attributes }, parent);
    const { traceId, spanId, traceFlags } = span.spanContext();
    // Without an SDK, or where its sampler says no: nothing is recorded here, and the cell hears what the client said.
    if (!span.isRecording()) return ids.traceUnder(otherwise);
    exchange.span = span;
    ids.traceUnder(`00-${traceId}-${spanId}-0${traceFlags & TraceFlags.SAMPLED}`);
  }

  #mayAsk(): boolean {
    const second = Math.floor(this.#clock.monotonic() / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      this.#asked = 0;
    }
    this.#asked += 1;
    return this.#asked <= askedPerSecond;
  }
}

/** The request is over. @param status 0 where there was no answer. */
export function endSpan(span: Span, status: number): void {
  if (status > 0) span.setAttribute("http.response.status_code", status);
  if (status === 0 || status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}

/** `00-<trace id>-<span id>-<flags>` as the context of a remote parent. */
function contextOf(traceparent: string): Context {
  const [, traceId = "", spanId = ""] = traceparent.split("-");
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true });
}
