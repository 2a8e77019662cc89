import assert from "node:assert/strict";
import test from "node:test";
import type { CellDatabase } from "../../../cells/drivers/local/backup/cell-database.ts";
import { openFormer } from "../../../cells/drivers/local/backup/former.ts";
import { systemClock } from "../../../common/clock.ts";
import { cellId } from "../../../common/ids.ts";
import { freePort } from "../../support/ports.ts";

/** As much of a cell's database as opening it takes. */
const databaseAt = (superuserUrl: () => string): CellDatabase =>
  ({ cell: cellId("cell-1"), superuserUrl }) as unknown as CellDatabase;

test("a former database that does not answer is no error: nothing is known of it, and why is told", async () => {
  const port = await freePort();
  const former = await openFormer(
    databaseAt(() => `postgres://postgres:x@127.0.0.1:${port}/cell`),
    systemClock,
  );
  assert.deepEqual([former.claimToken, await former.marks("2026-01-01T00:00:00Z")], [0, null]);
  assert.match(former.unread ?? "", /ECONNREFUSED/);
  await former.close();
});

test("a mistake of ours is not taken for a database that is down", async () => {
  const mistaken = databaseAt(() => {
    throw new TypeError("there is no such field");
  });
  await assert.rejects(openFormer(mistaken, systemClock), TypeError);
});
