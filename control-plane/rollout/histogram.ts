import { latencyBoundsMs } from "../../common/contracts/samples.ts";

/** A quantile read from a histogram: the value lies above `aboveMs`, and at most at `atMostMs`. */
export interface HistogramQuantile {
  readonly aboveMs: number;
  /** Infinity in the last bucket, which has no upper bound. */
  readonly atMostMs: number;
  /** Estimated by linear interpolation within the bucket, as Prometheus' histogram_quantile does. */
  readonly estimateMs: number;
}

/**
 * The `q`-quantile of latencies counted in the buckets of `latencyBoundsMs` (one more bucket takes what is slower).
 * Null when nothing was counted.
 */
export function histogramQuantile(latency: readonly number[], q: number): HistogramQuantile | null {
  const count = latency.reduce((sum, inBucket) => sum + inBucket, 0);
  if (count === 0) return null;

  const rank = Math.max(1, Math.ceil(q * count));
  let below = 0;
  for (const [bucket, inBucket] of latency.entries()) {
    if (below + inBucket >= rank) return within(bucket, (rank - below) / inBucket);
    below += inBucket;
  }
  return null;
}

function within(bucket: number, share: number): HistogramQuantile {
  const aboveMs = bucket === 0 ? 0 : (latencyBoundsMs[bucket - 1] ?? 0);
  const atMostMs = latencyBoundsMs[bucket] ?? Infinity;
  const estimateMs = atMostMs === Infinity ? aboveMs : aboveMs + share * (atMostMs - aboveMs);
  return { aboveMs, atMostMs, estimateMs };
}
