import type { MergeKind } from "../../../common/contracts/rollups.ts";
import type { AggregateValues } from "../aggregate.ts";
import type { Transaction } from "../tenant.store.ts";

/**
 * Sets a tenant's value of an aggregate for the hour that begins at `bucket`, to be shipped to the aggregator within seconds. The value is
 * absolute: setting it again replaces it.
 */
export async function recordRollup<Kind extends MergeKind>(
  tx: Transaction,
  aggregate: string,
  merge: Kind,
  values: readonly { readonly bucket: Date; readonly value: AggregateValues[Kind] }[],
): Promise<void> {
  if (values.length === 0) return;
  await tx.query(
    `INSERT INTO cellplane.rollups (aggregate, merge, epoch, bucket, value)
     SELECT $1, $2, $3, given.bucket, given.value FROM unnest($4::timestamptz[], $5::jsonb[]) AS given (bucket, value)
     ON CONFLICT (tenant_id, aggregate, bucket)
     DO UPDATE SET merge = excluded.merge, epoch = excluded.epoch, value = excluded.value, shipment = NULL, changed_at = clock_timestamp()
     WHERE rollups.value <> excluded.value OR rollups.epoch <> excluded.epoch`,
    [aggregate, merge, tx.epoch, values.map(({ bucket }) => bucket), values.map(({ value }) => JSON.stringify(value))],
  );
}

/** What was recorded of an aggregate so far, by the bucket's beginning in milliseconds. */
export async function readRollups(
  tx: Transaction,
  aggregate: string,
  buckets: readonly Date[],
): Promise<ReadonlyMap<number, unknown>> {
  const result = await tx.query<{ bucket: Date; value: unknown }>(
    `SELECT bucket, value FROM cellplane.rollups WHERE aggregate = $1 AND bucket = ANY ($2::timestamptz[])`,
    [aggregate, buckets],
  );
  return new Map(result.rows.map((row) => [row.bucket.getTime(), row.value]));
}
