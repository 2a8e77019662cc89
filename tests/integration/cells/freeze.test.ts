import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { freezeLease, takeAttempt, thawLease } from "../../../cells/kit/lease-owner.store.ts";
import { grantLease } from "../../../cells/kit/lease.store.ts";
import { databaseProblem } from "../../../cells/kit/database-errors.ts";
import { CellplaneError } from "../../../common/errors.ts";
import { operationId, tenantId } from "../../../common/ids.ts";
import { uuidv7 } from "../../../common/uuid.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { LeaseCell } from "./lease-bed.ts";

let postgres: TestPostgres;
let cell: LeaseCell;

before(async () => {
  postgres = await startPostgres();
  [cell] = (await LeaseCell.make(postgres, ["cell-1"])) as [LeaseCell];
});
after(async () => {
  await cell.stop();
  await postgres.stop();
});

const freezes = 100;
/** Six writers of 20 ms each, one after the other: 300 writes a second on a machine that has the time. */
const writers = 6;
const writeMs = 20;
/** A freeze that its writers hold up gives up after 250 ms and comes again; so often never in a row, whatever else the machine does. */
const mostTries = 40;

test("fault 37: 100 of 100 freezes succeed under overlapping writes of one tenant, none of which is lost or slips through", async (context) => {
  const tenant = tenantId(uuidv7());
  await grantLease(cell.system, tenant, { epoch: 1, slug: "busy", tier: "pro", synthetic: false });
  const acknowledged: string[] = [];
  let over = false;
  const write = async (writer: number): Promise<void> => {
    for (let count = 0; !over; count++) {
      const note = `${writer}-${count}`;
      try {
        await cell.tenants.run({ tenant, epoch: 1 }, "write", async (tx) => {
          await tx.query("INSERT INTO notes (note) VALUES ($1)", [note]);
          await sleep(writeMs);
        });
        acknowledged.push(note);
      } catch (error) {
        assert.equal(databaseProblem(error)?.code, "tenant-frozen");
        await sleep(5);
      }
    }
  };
  const writing = Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));

  const operation = operationId(uuidv7());
  const { lease } = await takeAttempt(cell.system, tenant, operation);
  const step = { operation, attempt: lease?.attempt ?? 0 };
  const took: number[] = [];
  let tries = 0;
  for (let count = 0; count < freezes; count++) {
    const freeze = uuidv7();
    const began = performance.now();
    let frozen = false;
    for (let left = mostTries; left > 0 && !frozen; left--) {
      tries += 1;
      try {
        const outcome = await freezeLease(cell.system, tenant, step, freeze);
        assert.equal(outcome.kind, "done");
        frozen = true;
      } catch (error) {
        assert.ok(error instanceof CellplaneError && error.code === "lease-busy", String(error));
      }
    }
    assert.ok(frozen, `freeze ${count + 1} of ${freezes}`);
    took.push(performance.now() - began);
    // Nothing is written while it is frozen: what was under way has ended before.
    const [first, second] = [(await cell.look()).notes(tenant).length, (await cell.look()).notes(tenant).length];
    assert.equal(second, first);
    await thawLease(cell.system, tenant, { ...step, freeze });
    await sleep(20);
  }
  over = true;
  await writing;
  const there = (await cell.look()).notes(tenant);
  assert.deepEqual(there.toSorted(), acknowledged.toSorted());
  assert.ok(acknowledged.length > freezes, `${acknowledged.length} writes`);
  const sorted = took.toSorted((a, b) => a - b);
  context.diagnostic(
    `${freezes} freezes in ${tries} tries beside ${acknowledged.length} writes: median ${sorted[50]?.toFixed(0)} ms, longest ${sorted.at(-1)?.toFixed(0)} ms`,
  );
});
