import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { runCommandLine } from "../../cli/run.ts";
import { readCellFacts } from "../../cells/drivers/local/release-migration.ts";
import { databaseUrl } from "../../cells/drivers/local/release-processes.ts";
import type { Rollout, RolloutPlan } from "../../common/contracts/rollout.ts";
import type { RolloutPolicy } from "../../common/contracts/rollout-policy.ts";
import { cellId } from "../../common/ids.ts";
import { connect, type Client } from "../../common/postgres/pool.ts";
import { root } from "../../scripts/lib/bootstrap.mjs";
import { eventually, TestFleet, type DemoTenant } from "../support/fleet.ts";
import { Ledger, type Outcome } from "../support/ledger.ts";
import { writeVariant, type Variant } from "../support/variants.ts";

type Tenant = Pick<DemoTenant, "slug" | "host" | "key" | "cell">;

/** Short bakes; what asks a person because this machine is busy is left out. */
const policy: Partial<RolloutPolicy> = {
  canaryCells: 1,
  percentages: [100],
  bakeSeconds: [2],
  timeScale: 1,
  minimumSamples: 40,
  decisionSeconds: 2,
  judging: { latencyRatio: 100, trafficShare: 0 },
};

/** Ten minutes, shortened: longer than an activity's heartbeat may be missing. */
const downMs = 10_000;

// The smoke test's few requests do not show it.
const failsOneInTen = 'if (turn > 20 && turn % 10 === 0) throw new Error("a bug of this release");';
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const firstMigration = read("cells/pulse/migrations/0001-events.expand.sql");
const firstEvents = {
  "0002-first-events.expand.sql": read("examples/pulse-2/migrations/0002-first-events.expand.sql"),
};
// A number that was released is never used again: the third migration is the one that fails below.
const source = { ...firstEvents, "0004-source.expand.sql": "ALTER TABLE events ADD COLUMN source text;\n" };
const withoutSource = { ...source, "0005-no-source.irreversible.sql": "ALTER TABLE events DROP COLUMN source;\n" };

describe("bad releases", () => {
  const folder = mkdtempSync(join(tmpdir(), "cellplane-releases-"));
  const policyFile = join(folder, "policy.json");
  let fleet: TestFleet;
  let tenants: Tenant[];
  let ledger: Ledger;
  /** Outcomes that the tests before have seen. */
  let seen = 0;

  before(async () => {
    writeFileSync(policyFile, JSON.stringify(policy));
    fleet = await TestFleet.start(["--no-demo"]);
    tenants = [];
    for (const slug of ["ada", "bob", "cyd", "dee", "eli", "fay"])
      tenants.push(await fleet.json<Tenant>(["tenant", "create", slug, "--tier", "enterprise"]));
    ledger = new Ledger(await fleet.routerPort(), tenants);
    ledger.start(40);
  });
  // A test that failed leaves no rollout behind that the next one would meet.
  afterEach(async () => {
    for (const command of ["roll-back", "cancel"]) {
      const { state } = await latest();
      if (state === "halted" || state === "waiting") await fleet.cli("rollout", command, "--json");
    }
    await eventually("the rollout has ended", 120_000, async () => (isOver(await latest()) ? true : null));
    seen = ledger.sent;
  });
  after(async () => {
    await ledger?.stop();
    ledger?.close();
    await fleet?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const latest = (): Promise<Rollout> => fleet.json<Rollout>(["rollout", "show"]);
  const isOver = ({ state }: Rollout): boolean => ["rolled-back", "completed", "cancelled"].includes(state);
  const failures = (): Outcome[] =>
    ledger.outcomes.slice(seen).filter(({ status }) => status === null || status < 200 || status > 299);
  const slugsIn = (cell: string): string[] => tenants.filter((one) => one.cell === cell).map(({ slug }) => slug);
  const releases = async (): Promise<Record<string, string | null>> =>
    Object.fromEntries((await fleet.status()).cells.map(({ id, release }) => [id, release]));
  const touched = ({ cells }: Rollout): string[] =>
    cells.filter(({ step }) => step !== "pending" && step !== "skipped").map(({ cell }) => cell);
  const canaryOf = ({ plan }: Pick<Rollout, "plan">): string =>
    plan.waves[0]?.cells[0]?.cell ?? assert.fail("there is a canary");

  /** `release create`, in this process: the runtime's digest, and what is compiled for it, serve all of them. */
  async function store(variant: Variant): Promise<{ readonly code: number; readonly said: string }> {
    const out: string[] = [];
    const source = writeVariant(folder, variant, firstMigration);
    const code = await runCommandLine(["release", "create", source, "--version", variant.version, "--json"], {
      settings: { home: fleet.home, decorated: false },
      stdout: { write: (text) => out.push(text) },
      stderr: { write: () => true },
    });
    return { code, said: out.join("") };
  }
  async function create(variant: Variant): Promise<string> {
    const { code, said } = await store(variant);
    assert.equal(code, 0, said);
    return `pulse@${variant.version}`;
  }

  /** Rolls a release out and watches it to its end, which must be the expected exit code. */
  async function rollOut(name: string, expectedCode: number, more: Partial<RolloutPolicy> = {}): Promise<Rollout> {
    writeFileSync(policyFile, JSON.stringify({ ...policy, ...more }));
    return await fleet.json<Rollout>(["rollout", "start", name, "--policy", policyFile, "--watch"], expectedCode);
  }

  /** A bad release that never left the canary, where all is as before. */
  async function stoppedAtTheCanary(
    t: TestContext,
    name: string,
    reason: RegExp,
    more: Partial<RolloutPolicy> = {},
  ): Promise<Rollout> {
    const earlier = await releases();
    const rollout = await rollOut(name, 3, more);
    assert.equal(rollout.state, "rolled-back");
    assert.match(rollout.reason ?? "", reason);
    assert.deepEqual(touched(rollout), [canaryOf(rollout)], "one cell was touched");
    assert.deepEqual(await releases(), earlier, "every cell runs what it ran");
    const tookMs = Date.parse(rollout.updatedAt) - Date.parse(rollout.createdAt);
    t.diagnostic(`${name}: ${(tookMs / 1000).toFixed(1)} s from start to rolled back: ${rollout.reason}`);
    assert.ok(tookMs < 180_000, `it took ${tookMs} ms`);
    const own = new Set(slugsIn(canaryOf(rollout)));
    const others = failures().filter(({ slug }) => !own.has(slug));
    assert.deepEqual(others, [], "nobody outside of the canary noticed");
    const again = await fleet.json<{ code: string }>(["rollout", "start", rollout.release], 1);
    assert.equal(again.code, "release-quarantined");
    return rollout;
  }

  it("fault 31: a release that fails a share of its requests is stopped at the canary and goes back, over its expand migration", async (t) => {
    const name = await create({
      version: "2-errors",
      beforeEach: failsOneInTen,
      migrations: firstEvents,
      needs: 2,
    });
    const { history } = await stoppedAtTheCanary(t, name, /requests failed|answered 500/);
    const verdict = history.find((entry) => entry.verdict?.verdict === "FAIL")?.verdict;
    // Its share of all requests, or three of the journeys in a row, whichever comes first.
    assert.match(verdict?.gate ?? "none", /^(absolute|hard)$/);
  });

  it("fault 31: a release that is slow is stopped at the canary", async (t) => {
    const wait = "await new Promise((done) => setTimeout(done, 600));";
    const slow = await create({ version: "2-slow", beforeEach: wait });
    const rollout = await stoppedAtTheCanary(t, slow, /p99/, { p99ObjectiveMs: 400 });
    assert.deepEqual(failures(), [], "slow is no error");
    assert.equal(rollout.history.find((entry) => entry.verdict?.verdict === "FAIL")?.verdict?.gate, "absolute");
  });

  it("fault 31: a release that dies again and again is stopped at the canary", async (t) => {
    // The smoke test is too short to see it.
    const name = await create({ version: "2-crash", beforeEach: "if (turn > 25) process.exit(1);" });
    await stoppedAtTheCanary(t, name, /does not answer|not ready|requests failed/);
  });

  it("fault 31: a release that says that it is another one never gets a request", async (t) => {
    const name = await create({ version: "2-liar", onLoad: 'process.env["RELEASE"] = "pulse@1";' });
    await stoppedAtTheCanary(t, name, /was given pulse@2-liar and says that it is pulse@1/);
    assert.deepEqual(failures(), []);
  });

  it("fault 31: a release whose migration fails is not even started", async (t) => {
    const broken = "ALTER TABLE events ADD CONSTRAINT recent CHECK (no_such_column > 0) NOT VALID;\n";
    const migrations = { ...firstEvents, "0003-recent.expand.sql": broken };
    await stoppedAtTheCanary(t, await create({ version: "2-migration", migrations, needs: 3 }), /no_such_column/);
    assert.deepEqual(failures(), []);
  });

  it("fault 36: a release whose migration meets a busy table gives up, and no tenant sees an error", async (t) => {
    const name = await create({ version: "4-locks", migrations: source, needs: 4 });
    const plan = await fleet.json<RolloutPlan>(["rollout", "plan", name, "--policy", policyFile]);
    const busy = await holdTable(canaryOf({ plan }));
    const from = ledger.sent;
    try {
      await stoppedAtTheCanary(t, name, /locks in 10 tries/);
    } finally {
      await busy.end();
    }
    assert.deepEqual(failures(), []);
    assert.ok(ledger.sent - from > 100, "tenants went on");
  });

  /** Somebody reads the table of events and does not end. */
  async function holdTable(cell: string): Promise<Client> {
    const client = await connect(databaseUrl(await readCellFacts(fleet.home, cellId(cell)), "owner"), "somebody");
    await client.query("BEGIN; LOCK TABLE events IN ACCESS SHARE MODE");
    return client;
  }

  it("fault 7: after roll-backs over expand migrations the next release goes everywhere, though Temporal is dead for a while", async (t) => {
    const name = await create({ version: "4", migrations: source, needs: 4 });
    const { plan } = await fleet.json<Rollout>(["rollout", "start", name, "--policy", policyFile]);
    assert.equal(plan.migrationClass, "expand");
    await eventually("the canary is being changed", 60_000, async () =>
      (await latest()).cells.some(({ step }) => step !== "pending") ? true : null,
    );
    await fleet.json(["process", "stop", "temporal"]);
    await sleep(downMs);
    assert.equal((await fleet.status()).temporal.pid, null);
    await fleet.json(["process", "start", "temporal"]);
    const returned = performance.now();
    const rollout = await eventually("it is completed", 120_000, async () => {
      const now = await latest();
      return isOver(now) ? now : null;
    });
    t.diagnostic(`ended ${((performance.now() - returned) / 1_000).toFixed(1)} s after Temporal was back`);
    assert.equal(rollout.state, "completed", rollout.reason ?? "");
    assert.deepEqual(new Set(Object.values(await releases())), new Set([name]));
    assert.deepEqual(failures(), [], "no tenant noticed");
    const back = await fleet.json<RolloutPlan>(["rollout", "plan", "pulse@1"]);
    assert.equal(back.migrationClass, null, "release 1 runs on the newer schema");
    const other = { ...firstEvents, "0004-other.expand.sql": "ALTER TABLE events ADD COLUMN other text;\n" };
    const refused = await store({ version: "4-reused", migrations: other, needs: 4 });
    assert.deepEqual([refused.code, (JSON.parse(refused.said) as { code: string }).code], [1, "migration-reused"]);
  });

  it("what shows only in the second wave goes back there at once; the first is judged again, and goes back when nobody decides", async () => {
    const canary = canaryOf({ plan: await fleet.json<RolloutPlan>(["rollout", "plan", "pulse@1"]) });
    const late = `if (process.env["CELL_ID"] !== ${JSON.stringify(canary)} && turn % 3 === 0) throw new Error("late");`;
    const name = await create({ version: "4-late", beforeEach: late, migrations: source, needs: 4 });
    const ended = await rollOut(name, 3);
    assert.equal(canaryOf(ended), canary);
    const rollout = await eventually("all went back", 120_000, async () => {
      const now = await latest();
      return isOver(now) ? now : null;
    });
    assert.equal(rollout.state, "rolled-back");
    assert.deepEqual(new Set(Object.values(await releases())), new Set(["pulse@4"]));
    const verdicts = rollout.history.flatMap(({ event, wave, verdict }) =>
      verdict === undefined ? [] : [`${wave} ${event} ${verdict.verdict}`],
    );
    assert.deepEqual(verdicts.slice(0, 2), ["1 judged PASS", "2 judged FAIL"]);
    assert.ok(
      verdicts.some((text) => text.startsWith("1 observed") && !text.endsWith("FAIL")),
      `wave 1 was judged again: ${verdicts.join(", ")}`,
    );
    const events = rollout.history.map(({ event }) => event);
    assert.ok(events.indexOf("wave-rolled-back") < events.indexOf("decision-expired"), events.join(", "));
    const own = new Set(slugsIn(canary));
    assert.deepEqual(
      failures().filter(({ slug }) => own.has(slug)),
      [],
      "customers of the first wave noticed nothing",
    );
  });

  it("over an irreversible migration nothing goes back: it is frozen in place, and the next release mends it", async () => {
    const name = await create({
      version: "5-oneway",
      beforeEach: failsOneInTen,
      migrations: withoutSource,
      needs: 5,
    });
    const rollout = await rollOut(name, 3);
    const canary = canaryOf(rollout);
    assert.equal(rollout.state, "halted");
    assert.equal(rollout.plan.migrationClass, "irreversible");
    assert.deepEqual(touched(rollout), [canary]);
    assert.equal((await releases())[canary], "pulse@5-oneway");
    const refused = await fleet.json<{ code: string; detail: string }>(["rollout", "roll-back"], 1);
    assert.match(`${refused.code} ${refused.detail}`, /cannot be undone/);
    await fleet.json(["rollout", "cancel"]);
    await rollOut(await create({ version: "5", migrations: withoutSource, needs: 5 }), 0);
    assert.deepEqual(new Set(Object.values(await releases())), new Set(["pulse@5"]));
    const back = await fleet.json<{ code: string }>(["rollout", "plan", "pulse@4"], 1);
    assert.equal(back.code, "schema-out-of-range", "what took something away cannot be gone back over");
  });

  it("each acknowledged event is there once after all of this", async () => {
    await ledger.stop();
    await ledger.check();
  });
});
