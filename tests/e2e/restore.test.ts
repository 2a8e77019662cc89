import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { CellLife, TenantLoss } from "../../common/contracts/restores.ts";
import { TestFleet, eventually, type DemoTenant } from "../support/fleet.ts";
import { Ledger } from "../support/ledger.ts";

type Tenant = Pick<DemoTenant, "slug" | "host" | "key" | "cell">;

describe("backup and restore by the command line", () => {
  let fleet: TestFleet;
  let tenants: Tenant[];
  let port: number;

  before(async () => {
    fleet = await TestFleet.start(["--no-demo", "--cells", "2"]);
    tenants = [];
    for (const slug of ["ada", "bob", "cyd", "dee"])
      tenants.push(await fleet.json<Tenant>(["tenant", "create", slug, "--tier", "pro"]));
    port = await fleet.routerPort();
  });
  after(async () => {
    await fleet?.remove();
  });

  it("fault 9: a cell is restored while all others are served, and no acknowledged write that was archived is gone", async () => {
    const first = tenants[0] ?? assert.fail("there is a tenant");
    const { cell } = first;
    const ledger = new Ledger(port, tenants);
    ledger.start(40);
    const backup = await fleet.json<{ id: string; verified: { rows: number } | null }>(["backup", "create", cell]);
    assert.notEqual(backup.verified, null);
    await sleep(1_000);
    await ledger.stop();

    const drill = await fleet.json<{
      passed: boolean;
      drills: { rtoSeconds: number; rpoSeconds: number; rows: number }[];
    }>(["drill", "restore", "--cell", cell]);
    assert.equal(drill.passed, true);
    assert.ok((drill.drills[0]?.rtoSeconds ?? 0) > 0);

    ledger.start(20);
    const wish = ["cell", "restore", cell, "--reason", "a drill of the real thing"];
    const restored = await fleet.json<{ incarnation: string; reported: boolean; tenants: TenantLoss[] }>(wish);
    assert.equal(restored.reported, true);
    await eventually("the registry has confirmed it", 60_000, async () => {
      const { lives } = await fleet.json<{ lives: CellLife[] }>(["cell", "lives", cell]);
      return lives.find(({ incarnation }) => incarnation === restored.incarnation)?.confirmedAt ?? null;
    });
    await eventually("its tenants are served again", 60_000, async () => {
      const answer = await ledger.get(first, "/v1/stats").catch(() => null);
      return answer?.status === 200 ? true : null;
    });
    await ledger.stop();
    const others = new Set(tenants.filter((tenant) => tenant.cell !== cell).map(({ slug }) => slug));
    assert.deepEqual(ledger.failuresOf(others), []);
    for (const { slug, lostRows } of restored.tenants) assert.equal(lostRows, 0, `${slug} lost nothing`);
    await ledger.check();
    ledger.close();
    assert.equal((await fleet.json<{ epoch: number }>(["tenant", "show", first.slug])).epoch, 2);
  });

  it("fault 9: one tenant is put back to a moment", async () => {
    const first = tenants[0] ?? assert.fail("there is a tenant");
    await fleet.json(["backup", "create", first.cell]);
    const before = await fleet.json<{ epoch: number }>(["tenant", "show", first.slug]);
    const moment = new Date().toISOString();
    const wish = ["tenant", "restore", first.slug, "--to", moment, "--reason", "they asked for it"];
    const restored = await fleet.json<{ tenant: { epoch: number }; pauseMs: number }>(wish);
    assert.equal(restored.tenant.epoch, before.epoch + 1);
    const ledger = new Ledger(port, [first]);
    assert.equal((await ledger.get(first, "/v1/stats")).status, 200);
    ledger.close();
    assert.equal((await fleet.cli("tenant", "restore", first.slug, "--to", "yesterday", "--reason", "x")).code, 2);
  });
});
