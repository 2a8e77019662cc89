import { dnsError } from "./errors.ts";

/** What pacing needs from outside; tests give their own. */
export interface Pace {
  readonly sleep: (ms: number) => Promise<void>;
  /** Milliseconds of a clock that never goes back. */
  readonly monotonic: () => number;
  /** In [0, 1). */
  readonly random: () => number;
}

export interface PacedCalls {
  /**
   * Sends one request within the rate budget, and again with growing, jittered pauses while Route 53 throttles.
   * @throws `dns-unavailable` when it does so to the last try; what is not worth another try is thrown as it came.
   */
  call<Result>(send: () => Promise<Result>): Promise<Result>;
  /** Requests so far that had to be sent again. */
  retries(): number;
}

// Route 53 takes five requests a second of an account; we leave room for its owner.
const minIntervalMs = 250;

// Nine tries with full jitter wait about 40 s on average: longer than a throttling window, shorter than a person's patience.
const maxTries = 9;
const firstPauseMs = 500;
const longestPauseMs = 15_000;

/** All requests of one caller, in their order, no faster than the budget. */
export function pacedCalls(pace: Pace): PacedCalls {
  let nextAt = -Infinity;
  let retried = 0;

  async function budget(): Promise<void> {
    const now = pace.monotonic();
    const at = Math.max(now, nextAt);
    nextAt = at + minIntervalMs;
    if (at > now) await pace.sleep(at - now);
  }

  return {
    async call(send) {
      for (let tries = 1; ; tries += 1) {
        await budget();
        try {
          return await send();
        } catch (error) {
          if (!isPassing(error)) throw error;
          if (tries === maxTries)
            throw dnsError("dns-unavailable", `${nameOf(error)} after ${tries} tries`, { cause: error });
          retried += 1;
          // Full jitter (Brooker, "Exponential Backoff And Jitter", 2015): callers that collided do not collide again.
          await pace.sleep(pace.random() * Math.min(longestPauseMs, firstPauseMs * 2 ** (tries - 1)));
        }
      }
    },
    retries: () => retried,
  };
}

// Route 53 says these with HTTP 400, so that the status alone would look permanent.
const passingCodes: ReadonlySet<string> = new Set([
  "Throttling",
  "ThrottlingException",
  "PriorRequestNotComplete",
  "TooManyRequestsException",
  "RequestLimitExceeded",
  "ConcurrentModification",
  "ServiceUnavailable",
]);
const passingSystemCodes: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EAI_AGAIN",
]);

function isPassing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (passingCodes.has(error.name) || error.name === "TimeoutError") return true;
  if ("code" in error && typeof error.code === "string" && passingSystemCodes.has(error.code)) return true;
  return statusOf(error) >= 500;
}

function statusOf(error: Error): number {
  const metadata: unknown = "$metadata" in error ? error.$metadata : null;
  if (typeof metadata !== "object" || metadata === null || !("httpStatusCode" in metadata)) return 0;
  return typeof metadata.httpStatusCode === "number" ? metadata.httpStatusCode : 0;
}

/** Route 53's code of an error. */
export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "an unknown error";
}
