import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { TestFleet, eventually, type DemoTenant } from "../support/fleet.ts";
import { Ledger } from "../support/ledger.ts";

interface Rollout {
  readonly id: string;
  readonly state: string;
  readonly paused: boolean;
  readonly reason: string | null;
  readonly plan: {
    readonly hash: string;
    readonly waves: readonly { readonly cells: readonly { readonly cell: string }[] }[];
  };
  readonly cells: readonly { readonly cell: string; readonly step: string }[];
  readonly history: readonly {
    readonly event: string;
    readonly verdict?: { readonly verdict: string; readonly numbers: Record<string, number> };
  }[];
}

describe("rollouts", () => {
  let fleet: TestFleet;
  let tenants: Pick<DemoTenant, "slug" | "host" | "key" | "cell">[];

  before(async () => {
    fleet = await TestFleet.start();
    tenants = [];
    for (const slug of ["ada", "bob", "cyd"])
      tenants.push(await fleet.json(["tenant", "create", slug, "--tier", "enterprise"]));
  });
  after(async () => {
    await fleet?.remove();
  });

  const releases = async (): Promise<(string | null)[]> => (await fleet.status()).cells.map(({ release }) => release);

  async function bringRelease2(): Promise<void> {
    const watched = fleet.cli("rollout", "start", "pulse@2", "--watch", "--json");
    const running = await eventually("the rollout is known", 60_000, async () => {
      const shown = await fleet.cli("rollout", "show", "--json");
      return shown.code === 0 ? (JSON.parse(shown.stdout) as Rollout) : null;
    });
    const second = await fleet.json<{ code: string }>(["rollout", "start", "pulse@2"], 1);
    assert.equal(second.code, "rollout-running");
    assert.equal(running.plan.waves[0]?.cells.length, 1, "one canary");
    const done = await watched;
    assert.equal(done.code, 0, `${done.stdout}\n${done.stderr}`);
  }

  it("brings release 2 to all cells in waves, and not one of 5,000 requests fails", async () => {
    const ledger = new Ledger(await fleet.routerPort(), tenants);
    try {
      ledger.start(120);
      await bringRelease2();
      while (ledger.sent < 5_000) await sleep(200);
      await ledger.stop();
      assert.deepEqual(ledger.failures, []);
      await ledger.check();
    } finally {
      await ledger.stop();
      ledger.close();
    }
    assert.deepEqual(await releases(), ["pulse@2", "pulse@2", "pulse@2"]);
    const feeder = fleet.log("feeder", 100_000);
    assert.ok(!feeder.includes("request-failed"), feeder.slice(-2000));
  });

  it("stops a bad release at the canary, rolls it back by itself and says why", async () => {
    const done = await fleet.cli("rollout", "start", "pulse@3-bad", "--watch", "--json");
    assert.equal(done.code, 3, `${done.stdout}\n${done.stderr}`);
    const rollout = await fleet.json<Rollout>(["rollout", "show"]);
    assert.equal(rollout.state, "rolled-back");
    assert.ok(rollout.reason !== null && rollout.reason.length > 0);
    assert.ok(
      rollout.history.some(({ verdict }) => verdict?.verdict === "FAIL"),
      "the verdict is explained in the history",
    );
    const touched = rollout.cells.filter(({ step }) => step !== "pending" && step !== "skipped");
    assert.equal(touched.length, 1, "one cell was touched");
    assert.deepEqual(await releases(), ["pulse@2", "pulse@2", "pulse@2"]);
    const again = await fleet.json<{ code: string }>(["rollout", "start", "pulse@3-bad"], 1);
    assert.match(again.code, /quarantined/);
  });

  it("brings an older release back when asked, pauses, resumes, and rolls back on command", async () => {
    await fleet.json(["rollout", "start", "pulse@1"]);
    await eventually("it bakes", 60_000, async () =>
      (await fleet.json<Rollout>(["rollout", "show"])).state === "baking" ? true : null,
    );
    await fleet.json(["rollout", "pause"]);
    assert.equal((await fleet.json<Rollout>(["rollout", "show"])).paused, true);
    const twice = await fleet.json<{ status: number }>(["rollout", "pause"], 1);
    assert.equal(twice.status, 409);
    await fleet.json(["rollout", "resume"]);
    await fleet.json(["rollout", "roll-back"]);
    const end = await eventually("it is rolled back", 90_000, async () => {
      const shown = await fleet.json<Rollout>(["rollout", "show"]);
      return shown.state === "rolled-back" ? shown : null;
    });
    assert.equal(end.paused, false);
    assert.deepEqual(await releases(), ["pulse@2", "pulse@2", "pulse@2"]);
  });
});
