import type { Clock } from "../clock.ts";
import type { Logger } from "../log.ts";
import type { Family, Labels } from "./family.ts";
import { toOtlp } from "./otlp.ts";

const timeoutMs = 2_000;

export interface OtlpOptions {
  /** Base URL of a collector (OTLP over HTTP, JSON), without `/v1/metrics`. */
  readonly endpoint: string;
  /** Sent along, e.g. for authentication. */
  readonly headers: Readonly<Record<string, string>>;
  readonly everyMs: number;
  readonly resource: Labels;
  readonly scope: string;
  readonly collect: () => readonly Family[];
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Pushes metrics to an OpenTelemetry collector. Nothing is counted for it: it reads, now and then, the counters that are there anyway. A collector
 * that does not answer is said once, and missed by nobody.
 */
export class OtlpExporter {
  readonly #options: OtlpOptions;
  readonly #startedAt: number;
  #timer: NodeJS.Timeout | null = null;
  #sending = false;
  #failing = false;

  constructor(options: OtlpOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now();
  }

  start(): void {
    this.#timer = setInterval(() => void this.push(), this.#options.everyMs);
    this.#timer.unref();
  }

  /** Sends a last time, so that what was counted since the last push is not lost. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    await this.push();
  }

  /** Sends once; one at a time. */
  async push(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    const { endpoint, headers, collect, clock, log, resource, scope } = this.#options;
    try {
      const body = JSON.stringify(toOtlp(collect(), { resource, scope, startedAt: this.#startedAt, now: clock.now() }));
      const response = await fetch(`${endpoint.replace(/\/$/, "")}/v1/metrics`, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body,
        signal: AbortSignal.timeout(timeoutMs),
      });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`the collector answered ${response.status}`);
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) log.warn({ event: "metrics-not-exported", err: error });
      this.#failing = true;
    } finally {
      this.#sending = false;
    }
  }
}

/** `a=b,c=d`, as in OTEL_EXPORTER_OTLP_HEADERS, into an object. */
export function headersOf(text: string): Record<string, string> {
  const pairs = text.split(",").flatMap((pair) => {
    const at = pair.indexOf("=");
    return at <= 0 ? [] : [[pair.slice(0, at).trim(), decodeURIComponent(pair.slice(at + 1).trim())] as const];
  });
  return Object.fromEntries(pairs);
}
