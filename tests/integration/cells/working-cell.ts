import assert from "node:assert/strict";
import { CellUnderTest, type TestTenant } from "./cell-under-test.ts";
import { until } from "./http-call.ts";

/** A cell with its worker, whose tenants have jobs. */
export interface WorkingCell<Slug extends string> {
  readonly cell: CellUnderTest;
  /** Folder of the release that it runs. */
  readonly release: string;
  readonly tenants: Readonly<Record<Slug, TestTenant>>;
}

/**
 * Starts a cell with API and worker, and grants it its tenants.
 * @param application folder of the application, from the clone's root
 * @param prepare what must be there before anything of the cell starts
 */
export async function workingCell<Slug extends string>(
  application: string,
  slugs: readonly Slug[],
  prepare?: (cell: CellUnderTest) => Promise<void>,
): Promise<WorkingCell<Slug>> {
  const cell = await CellUnderTest.start();
  await prepare?.(cell);
  const release = await cell.release(application, "1");
  const tenants = Object.fromEntries(slugs.map((slug) => [slug, cell.addTenant(slug)])) as Record<Slug, TestTenant>;
  await cell.migrate(release);
  await cell.startApi(release);
  await cell.startWorker(release);
  for (const slug of slugs) assert.equal((await cell.grant(tenants[slug])).status, 200);
  return { cell, release, tenants };
}

/** Waits until no job is written down any more. @param where of which jobs, as a condition on `cellplane.outbox` */
export async function outboxEmptied(cell: CellUnderTest, where = "true", timeoutMs = 60_000): Promise<void> {
  const empty = async (): Promise<boolean> =>
    (await cell.sql(`SELECT FROM cellplane.outbox WHERE ${where}`)).length === 0;
  await until("the outbox is empty", empty, timeoutMs);
}
