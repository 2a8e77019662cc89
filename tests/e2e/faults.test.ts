import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { TestFleet, eventually, type DemoTenant, type Status } from "../support/fleet.ts";
import { Ledger } from "../support/ledger.ts";

type Tenant = Pick<DemoTenant, "slug" | "host" | "key" | "cell">;

describe("a fleet with parts dying", () => {
  let fleet: TestFleet;
  let tenants: Tenant[];
  let port: number;

  before(async () => {
    fleet = await TestFleet.start(["--no-demo"]);
    tenants = [];
    for (const slug of ["ada", "bob", "cyd", "dee", "eli", "fay"]) {
      tenants.push(await fleet.json<Tenant>(["tenant", "create", slug, "--tier", "enterprise"]));
    }
    port = await fleet.routerPort();
  });
  after(async () => {
    await fleet?.remove();
  });

  const slugsIn = (cell: string): Set<string> =>
    new Set(tenants.filter((tenant) => tenant.cell === cell).map(({ slug }) => slug));
  const slugsOutside = (cell: string): Set<string> =>
    new Set(tenants.filter((tenant) => tenant.cell !== cell).map(({ slug }) => slug));

  function kill(...pids: readonly (number | null | undefined)[]): void {
    for (const pid of pids) {
      assert.ok(pid !== null && pid !== undefined, "what is to be killed runs");
      process.kill(pid, "SIGKILL");
    }
  }

  /** Runs `fault` amid a steady load, then checks the ledger. */
  async function under(load: number, fault: (ledger: Ledger) => Promise<void>): Promise<Ledger> {
    const ledger = new Ledger(port, tenants);
    try {
      ledger.start(load);
      await sleep(1_000);
      await fault(ledger);
      await sleep(1_000);
      await ledger.stop();
      await ledger.check();
    } finally {
      await ledger.stop();
      ledger.close();
    }
    return ledger;
  }

  function processOf(status: Status, cell: string, role: string): number {
    const found = status.cells.find(({ id }) => id === cell)?.processes.find((process) => process.role === role);
    return found?.pid ?? assert.fail(`${cell} has a ${role}`);
  }

  /** Kills one process of a cell; the cell must serve again by itself within the time. */
  async function killOf(cell: string, role: string): Promise<Ledger> {
    const victim = tenants.find((tenant) => tenant.cell === cell) ?? assert.fail(`somebody lives in ${cell}`);
    return under(120, async (ledger) => {
      const pid = processOf(await fleet.status(), cell, role);
      kill(pid);
      await eventually(`${cell} serves again`, 15_000, async () => ((await answers(ledger, victim)) ? true : null));
      await eventually(`the ${role} is back`, 20_000, async () => {
        const next = (await fleet.status()).cells
          .find(({ id }) => id === cell)
          ?.processes.find((process) => process.role === role);
        return next !== undefined && next.pid !== pid ? true : null;
      });
    });
  }

  async function answers(ledger: Ledger, tenant: Tenant): Promise<boolean> {
    try {
      return (await ledger.get(tenant, "/v1/stats")).status === 200;
    } catch {
      return false;
    }
  }

  it("fault 3: serves without an error while everything that operates is dead, the router restarted meanwhile (I12)", async () => {
    const ledger = await under(120, async () => {
      const before = await fleet.status();
      // The supervisor first, or it would bring the others back.
      kill(
        before.supervisor.pid,
        before.controlPlane.pid,
        before.temporal.pid,
        before.worker.pid,
        before.aggregator.pid,
      );
      await sleep(3_000);
    });
    assert.deepEqual(ledger.failures, []);
    await fleet.up();

    const before = await fleet.status();
    await fleet.json(["process", "stop", "control-plane"]);
    await fleet.json(["process", "stop", "temporal"]);
    await fleet.json(["process", "stop", "router"]);
    await fleet.json(["process", "start", "router"]);
    const restarted = await under(120, async () => {
      await sleep(1_000);
    });
    assert.deepEqual(restarted.failures, [], "booted from disk");

    // Every cell's API anew, too: it boots from the document on its own disk.
    const now = await fleet.status();
    kill(...now.cells.map(({ id }) => processOf(now, id, "api")));
    const probe = new Ledger(port, tenants);
    for (const tenant of tenants)
      await eventually(`${tenant.slug} is served again`, 20_000, async () =>
        (await answers(probe, tenant)) ? true : null,
      );
    probe.close();
    const booted = await under(120, async () => {
      await sleep(1_000);
    });
    assert.deepEqual(booted.failures, [], "cells that booted from disk");
    assert.notEqual((await fleet.status()).router.pid, before.router.pid);
    assert.equal((await fleet.status()).controlPlane.pid, null, "what was stopped stays down");
    await fleet.json(["process", "start", "temporal"]);
    await fleet.json(["process", "start", "control-plane"]);
  });

  it("fault 4: kill -9 of a cell's API hurts only that cell's tenants, and it is back by itself", async () => {
    const ledger = await killOf("cell-1", "api");
    assert.deepEqual(ledger.failuresOf(slugsOutside("cell-1")), []);
    assert.ok(slugsIn("cell-1").size > 0);
  });

  it("fault 8: kill -9 of a cell's PostgreSQL loses nothing that was acknowledged", async () => {
    const ledger = await killOf("cell-2", "postgres");
    assert.deepEqual(ledger.failuresOf(slugsOutside("cell-2")), []);
    for (const failure of ledger.failuresOf(slugsIn("cell-2"))) {
      assert.ok(failure.status === 503 || failure.status === null, `a clear 503: ${failure.status} ${failure.detail}`);
    }
  });

  it("fault 10: kill -9 of a cell's Redis is noticed by nobody", async () => {
    const ledger = await killOf("cell-3", "redis");
    assert.deepEqual(ledger.failures, []);
  });

  it("fault 5: kill -9 of a cell's worker is noticed by nobody", async () => {
    const ledger = await killOf("cell-3", "worker");
    assert.deepEqual(ledger.failures, []);
  });

  it("fault 1: a router that is killed is back from disk in a moment", async () => {
    const pid = (await fleet.status()).router.pid;
    kill(pid);
    const ledger = new Ledger(port, tenants);
    const first = tenants[0] ?? assert.fail("there are tenants");
    await eventually("the router serves again", 10_000, async () => ((await answers(ledger, first)) ? true : null));
    ledger.close();
    assert.notEqual((await fleet.status()).router.pid, pid);
  });
});
