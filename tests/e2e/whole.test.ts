import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { TenantClient } from "../../scripts/demo/tenant-client.ts";
import { filesWith } from "../support/files-with.ts";
import { TestFleet, eventually, run, type DemoTenant } from "../support/fleet.ts";

interface Created {
  readonly id: string;
  readonly slug: string;
  readonly host: string;
  readonly tier: string;
  readonly cell: string;
  readonly key: string;
  readonly explanation: string;
}
interface QueryAnswer {
  readonly rows: readonly { key: string; value: number }[];
  readonly coverage: {
    complete: boolean;
    expected: string[];
    answered: string[];
    stale: string[];
    failed: string[];
    asOf: Record<string, string | null>;
  };
}
interface Problem {
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly todo: string;
}

/** The folder that is for secrets, and what is only run. */
const secretsOrPrograms = (path: string): boolean => path === "secrets" || /(^|\/)(releases|bundles)$/.test(path);

describe("a fleet, as a newcomer meets it", () => {
  let fleet: TestFleet;
  let client: TenantClient;
  let demo: readonly DemoTenant[];
  let umbrella: Created;

  before(async () => {
    fleet = await TestFleet.start();
    client = new TenantClient(await fleet.routerPort());
    demo = await fleet.demo();
  });
  after(async () => {
    client?.close();
    await fleet?.remove();
  });

  function ask(
    tenant: { host: string; key?: string },
    method: string,
    path: string,
    body?: string,
    headers: Record<string, string> = {},
  ) {
    const all: Record<string, string> = { ...headers };
    if (tenant.key !== undefined) all["authorization"] = `Bearer ${tenant.key}`;
    if (body !== undefined) all["content-type"] = "application/json";
    return client.send(tenant.host, method, path, all, body);
  }

  it("has three cells in two regions, each with its own processes, and every part's address", async () => {
    const status = await fleet.status();
    assert.equal(status.cells.length, 3);
    assert.equal(new Set(status.cells.map(({ region }) => region)).size, 2);
    for (const cell of status.cells) {
      assert.equal(cell.release, "pulse@1");
      assert.equal(cell.state, "running");
      assert.deepEqual(cell.processes.map(({ role }) => role).toSorted(), ["api", "postgres", "redis", "worker"]);
    }
    for (const part of [
      status.supervisor,
      status.router,
      status.controlPlane,
      status.aggregator,
      status.worker,
      status.temporal,
    ]) {
      assert.equal(typeof part.pid, "number");
    }
    const pids = status.cells.flatMap(({ processes }) => processes.map(({ pid }) => pid));
    assert.equal(new Set(pids).size, pids.length, "no process serves two cells");
  });

  it("has six demo tenants of different tiers, some in every cell, and feeds them without a failure", async () => {
    assert.equal(demo.length, 6);
    assert.ok(new Set(demo.map(({ tier }) => tier)).size >= 3);
    assert.deepEqual([...new Set(demo.map(({ cell }) => cell))].toSorted(), ["cell-1", "cell-2", "cell-3"]);
    for (const tenant of demo) {
      const stats = await eventually(`events of ${tenant.slug}`, 20_000, async () => {
        const answer = await ask(tenant, "GET", "/v1/stats");
        assert.equal(answer.status, 200, answer.body);
        const parsed = JSON.parse(answer.body) as { events: number; activeUsers: number };
        return parsed.events > 0 ? parsed : null;
      });
      assert.ok(stats.activeUsers > 0);
    }
  });

  it("keeps keys out of everybody's sight", () => {
    for (const secret of ["secrets/demo.json", "secrets/operator-token"]) {
      assert.equal(statSync(join(fleet.home, secret)).mode & 0o077, 0, `${secret} is its owner's alone`);
    }
  });

  it("creates a tenant that is served when the command returns", async () => {
    umbrella = await fleet.json<Created>(["tenant", "create", "umbrella", "--tier", "pro"]);
    assert.equal(umbrella.host, "umbrella.cellplane.localhost");
    assert.match(umbrella.key, /^cpk_/);
    assert.ok(umbrella.explanation.includes(umbrella.cell));

    const at = new Date().toISOString();
    const events = [
      { id: "e-1", type: "login", user: "ada", at, value: 10 },
      { id: "e-2", type: "login", user: "grace", at, value: 30 },
      { id: "e-1", type: "login", user: "ada", at, value: 10 },
    ];
    const posted = await ask(umbrella, "POST", "/v1/events", JSON.stringify({ events }));
    assert.equal(posted.status, 202, posted.body);
    assert.deepEqual(JSON.parse(posted.body), { accepted: 2, duplicates: 1 });
    const again = await ask(umbrella, "POST", "/v1/events", JSON.stringify({ events: events.slice(0, 1) }));
    assert.deepEqual(JSON.parse(again.body), { accepted: 0, duplicates: 1 });
    const stats = JSON.parse((await ask(umbrella, "GET", "/v1/stats?bucket=hour")).body) as Record<string, unknown>;
    assert.equal(stats["events"], 2);
    assert.equal(stats["activeUsers"], 2);
    assert.deepEqual(stats["topTypes"], [{ type: "login", count: 2 }]);
    assert.deepEqual(Object.keys(stats).toSorted(), [
      "activeUsers",
      "asOf",
      "buckets",
      "events",
      "quantiles",
      "topTypes",
    ]);
  });

  it("says no clearly: each bad input is a problem document with the right status", async () => {
    const nobody = { host: "nobody.cellplane.localhost", key: umbrella.key };
    const acme = demo[0];
    assert.ok(acme !== undefined);
    const event = { id: "x", type: "t", user: "u", at: new Date().toISOString() };
    const body = (changes: object): string => JSON.stringify({ events: [{ ...event, ...changes }] });
    const future = new Date(Date.now() + 25 * 3_600_000).toISOString();
    const cases: readonly [string, number, Promise<{ status: number; body: string }>][] = [
      ["unknown tenant", 404, ask(nobody, "GET", "/v1/stats")],
      ["another tenant's key", 401, ask({ host: acme.host, key: umbrella.key }, "GET", "/v1/stats")],
      ["a key that nobody has", 401, ask({ host: umbrella.host, key: "cpk_wrong" }, "GET", "/v1/stats")],
      ["no key", 401, ask({ host: umbrella.host }, "GET", "/v1/stats")],
      ["malformed JSON", 400, ask(umbrella, "POST", "/v1/events", '{"events": [')],
      ["wrong type", 400, ask(umbrella, "POST", "/v1/events", body({ value: "12" }))],
      ["unknown field", 400, ask(umbrella, "POST", "/v1/events", body({ colour: "red" }))],
      ["an event from the day after tomorrow", 400, ask(umbrella, "POST", "/v1/events", body({ at: future }))],
      ["wrong method", 405, ask(umbrella, "DELETE", "/v1/events")],
      ["nothing there", 404, ask(umbrella, "GET", "/v1/nothing")],
      ["oversized body", 413, ask(umbrella, "POST", "/v1/events", body({ type: "x".repeat(1_100_000) }))],
      ["unknown bucket", 400, ask(umbrella, "GET", "/v1/stats?bucket=year")],
    ];
    for (const [what, status, asked] of cases) {
      const answer = await asked;
      assert.equal(answer.status, status, `${what}: ${answer.body}`);
      const problem = JSON.parse(answer.body) as Problem;
      assert.equal(problem.status, status, what);
      assert.ok(problem.code.length > 0 && problem.detail.length > 0 && problem.todo.length > 0, what);
    }
  });

  it("takes what GitHub sends, and only with the tenant's signature", async () => {
    const { createHmac } = await import("node:crypto");
    const secret = "a secret between GitHub and umbrella";
    const set = await ask(umbrella, "PUT", "/v1/hooks/github/secret", JSON.stringify({ secret }));
    assert.ok(set.status === 200 || set.status === 204, set.body);
    const body = JSON.stringify({ action: "opened", sender: { login: "octocat" } });
    const signature = `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
    const headers = { "x-github-event": "issues", "x-github-delivery": "d-1", "x-hub-signature-256": signature };
    const good = await ask({ host: umbrella.host }, "POST", "/v1/hooks/github", body, headers);
    assert.ok(good.status >= 200 && good.status < 300, good.body);
    const forged = await ask({ host: umbrella.host }, "POST", "/v1/hooks/github", body, {
      ...headers,
      "x-hub-signature-256": `sha256=${"0".repeat(64)}`,
    });
    assert.equal(forged.status, 401, forged.body);
  });

  it("suspends and resumes a tenant", async () => {
    await fleet.json(["tenant", "suspend", "umbrella"]);
    await eventually("umbrella is refused", 5_000, async () =>
      (await ask(umbrella, "GET", "/v1/stats")).status === 403 ? true : null,
    );
    await fleet.json(["tenant", "resume", "umbrella"]);
    await eventually("umbrella is served", 5_000, async () =>
      (await ask(umbrella, "GET", "/v1/stats")).status === 200 ? true : null,
    );
  });

  it("attack 7: a key of another tenant, one that was revoked and one in the address are 401, and only digests are kept", async () => {
    const acme = demo[0];
    assert.ok(acme !== undefined);
    const made = await fleet.json<{ id: string; key: string }>(["key", "create", "umbrella"]);
    const second = { host: umbrella.host, key: made.key };
    await eventually("the new key works", 30_000, async () =>
      (await ask(second, "GET", "/v1/stats")).status === 200 ? true : null,
    );
    assert.equal((await ask({ host: acme.host, key: made.key }, "GET", "/v1/stats")).status, 401);
    for (const name of ["key", "api_key", "access_token"]) {
      const inTheAddress = await ask({ host: umbrella.host }, "GET", `/v1/stats?${name}=${made.key}`);
      assert.equal(inTheAddress.status, 401, inTheAddress.body);
      assert.ok(!inTheAddress.body.includes(made.key));
    }
    await fleet.json(["key", "revoke", "umbrella", made.id]);
    await eventually("the key is refused", 30_000, async () =>
      (await ask(second, "GET", "/v1/stats")).status === 401 ? true : null,
    );
    assert.equal((await ask(umbrella, "GET", "/v1/stats")).status, 200);
    assert.deepEqual(await filesWith(fleet.home, [umbrella.key, made.key], secretsOrPrograms), []);
  });

  it("attack 33: a secret as canary is found in no log, error, history, queue or Redis", async () => {
    const canary = `canary${randomUUID().replaceAll("-", "")}`;
    const body = JSON.stringify({ secret: canary });
    const answers = [
      await ask(umbrella, "PUT", "/v1/hooks/github/secret", body),
      // The same once more where it is refused: as another type, beside what is unknown, cut off, and with a signature that does not fit.
      await ask(umbrella, "PUT", "/v1/hooks/github/secret", JSON.stringify({ secret: [canary] })),
      await ask(umbrella, "PUT", "/v1/hooks/github/secret", JSON.stringify({ secret: "x", other: canary })),
      await ask(umbrella, "PUT", "/v1/hooks/github/secret", body.slice(0, -2)),
      await ask({ host: umbrella.host }, "POST", "/v1/hooks/github", "{}", {
        "x-github-event": "issues",
        "x-github-delivery": "d-2",
        "x-hub-signature-256": canary,
      }),
      await ask({ host: umbrella.host, key: `cpk_${canary}` }, "GET", "/v1/stats"),
      await ask({ host: umbrella.host }, "GET", "/v1/stats", undefined, { authorization: `Basic ${canary}` }),
      await ask(umbrella, "GET", "/v1/stats", undefined, { cookie: `session=${canary}` }),
    ];
    assert.deepEqual(
      answers.map(({ status }) => status),
      [204, 400, 400, 400, 401, 401, 401, 200],
    );
    for (const answer of answers) assert.ok(!answer.body.includes(canary), answer.body);
    const operator = readFileSync(join(fleet.home, "secrets/operator-token"), "utf8").trim();
    const found = await filesWith(fleet.home, [canary, operator], secretsOrPrograms);
    // What a tenant keeps stands in its cell's database; nowhere else.
    const inDatabases = new RegExp(`^cells/[^/]+/(postgres|backups?|archive).*: ${canary}$`);
    assert.ok(
      found.some((one) => inDatabases.test(one)),
      "the search finds what is there",
    );
    assert.deepEqual(
      found.filter((one) => !inDatabases.test(one)),
      [],
    );
  });

  it("explains a placement and plans DNS", async () => {
    const explained = await fleet.json<Record<string, unknown>>(["place", "explain", "umbrella"]);
    assert.ok(JSON.stringify(explained).includes(umbrella.cell));
    const dns = JSON.stringify(await fleet.json(["dns", "plan"]));
    assert.ok(dns.includes("*.cellplane.localhost"), dns.slice(0, 500));
  });

  it("answers across all cells, and says so when one is missing", async () => {
    const whole = await fleet.json<QueryAnswer>(["query", "active-users", "--by", "tier"]);
    assert.equal(whole.coverage.complete, true);
    assert.deepEqual(whole.coverage.answered.toSorted(), ["cell-1", "cell-2", "cell-3"]);
    assert.ok(whole.rows.length >= 3);
    assert.ok(!whole.rows.some(({ key }) => key === "synthetic"), "synthetic tenants stay out of totals");

    await fleet.json(["cell", "stop", "cell-2"]);
    const partial = await fleet.json<QueryAnswer>(["query", "active-users", "--by", "tier"]);
    assert.equal(partial.coverage.complete, false);
    assert.ok([...partial.coverage.stale, ...partial.coverage.failed].includes("cell-2"));
    assert.deepEqual(partial.coverage.expected.toSorted(), ["cell-1", "cell-2", "cell-3"]);
    const down = (await fleet.status()).cells.find(({ id }) => id === "cell-2");
    assert.deepEqual([down?.state, down?.processes.length], ["stopped", 0]);
    const refused = await ask(
      demo.find(({ cell }) => cell === "cell-2") ?? assert.fail("somebody lives in cell-2"),
      "GET",
      "/v1/stats",
    );
    assert.equal(refused.status, 503);

    await fleet.json(["cell", "start", "cell-2"]);
    await eventually("the answer is whole again", 15_000, async () => {
      const answer = await fleet.json<QueryAnswer>(["query", "active-users", "--by", "tier"]);
      return answer.coverage.complete ? true : null;
    });
  });

  it("refuses what the command line cannot mean, with exit code 2", async () => {
    for (const args of [["frobnicate"], ["tenant", "create", "x"], ["query", "events", "--by", "colour"]]) {
      const done = await fleet.cli(...args);
      assert.equal(done.code, 2, `${args.join(" ")}: ${done.stdout} ${done.stderr}`);
    }
    const unknown = await fleet.json<Problem>(["rollout", "start", "pulse@99"], 1);
    assert.equal(unknown.code, "unknown-release");
    const nonsense = await fleet.json<Problem>(["query", "nonsense", "--by", "tier"], 1);
    assert.match(nonsense.detail ?? "", /nonsense/);
    const taken = await fleet.json<Problem>(["tenant", "create", "umbrella", "--tier", "free"], 1);
    assert.equal(taken.status, 409);
  });

  it("does nothing when started again while it runs, and adopts what runs after kill -9 of the supervisor", async () => {
    const before = await fleet.status();
    await fleet.up();
    assert.deepEqual((await fleet.status()).cells, before.cells, "nothing was restarted");
    process.kill(before.supervisor.pid ?? assert.fail("it runs"), "SIGKILL");
    assert.equal((await ask(umbrella, "GET", "/v1/stats")).status, 200);
    const orphaned = await fleet.status();
    assert.equal(orphaned.supervisor.pid, null);
    assert.deepEqual(
      orphaned.cells.map(({ processes }) => processes),
      before.cells.map(({ processes }) => processes),
    );
    await fleet.up();
    const adopted = await fleet.status();
    assert.notEqual(adopted.supervisor.pid, before.supervisor.pid);
    assert.equal(typeof adopted.supervisor.pid, "number");
    assert.deepEqual(
      adopted.cells.map(({ processes }) => processes),
      before.cells.map(({ processes }) => processes),
      "the same processes, none twice",
    );
    assert.equal(adopted.router.pid, before.router.pid);
  });

  it("comes back with yesterday's data after a stop, and leaves nothing running", async () => {
    const stopped = await fleet.cli("stop");
    assert.equal(stopped.code, 0, stopped.stderr);
    const down = await fleet.status();
    assert.deepEqual(
      [down.supervisor.pid, down.router.pid, down.controlPlane.pid, down.temporal.pid],
      [null, null, null, null],
    );
    assert.ok(down.cells.every(({ processes }) => processes.length === 0));
    const left = await run("pgrep", ["-f", fleet.home]);
    assert.equal(left.stdout.trim(), "", "no process of the fleet is left");

    await fleet.up();
    client.close();
    client = new TenantClient(await fleet.routerPort());
    const stats = JSON.parse((await ask(umbrella, "GET", "/v1/stats")).body) as { events: number };
    assert.equal(stats.events, 3);
  });
});
