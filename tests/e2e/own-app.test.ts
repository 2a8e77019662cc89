import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { QueryAnswer } from "../../common/contracts/rollups.ts";
import type { Release } from "../../common/contracts/release.ts";
import { nodePath } from "../../scripts/lib/bootstrap.mjs";
import { eventually, run, TestFleet } from "../support/fleet.ts";
import { changed, readGuide } from "../support/guide.ts";
import { send, type Sent } from "../support/router-call.ts";

interface Created {
  readonly host: string;
  readonly key: string;
  readonly cell: string;
}

// As a reader of docs/write-a-cell-app.md goes through it, from an empty folder to the second release; what he types is taken from the guide.
describe("an application of one's own, in a folder outside the clone", () => {
  const folder = mkdtempSync(join(tmpdir(), "cellplane-own-"));
  const app = join(folder, "notes");
  const guide = readGuide();
  let fleet: TestFleet;
  let acme: Created;
  let other: Created;
  let router: number;

  const call = (tenant: Created, method: string, path: string, body?: object): Promise<Sent> =>
    send(router, tenant, method, path, body);

  before(async () => {
    const made = await run("node", ["cli/cellplane.mjs", "app", "new", app, "--json"]);
    assert.equal(made.code, 0, made.stderr);
    fleet = await TestFleet.start(["--app", app, "--no-demo"]);
    router = await fleet.routerPort();
  });
  after(async () => {
    await fleet?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it("answers in three cells, each tenant its own", async () => {
    const status = await fleet.status();
    assert.deepEqual(
      status.cells.map(({ release, state }) => [release, state]),
      Array.from({ length: 3 }, () => ["notes@1", "running"]),
    );
    acme = await fleet.json<Created>(["tenant", "create", "acme", "--tier", "pro"]);
    other = await fleet.json<Created>(["tenant", "create", "other", "--tier", "pro"]);
    assert.equal((await call(acme, "PUT", "/v1/notes/first", { text: "a first note" })).status, 200);
    await eventually("its words are counted", 60_000, async () =>
      (await call(acme, "GET", "/v1/notes/first")).body["words"] === 3 ? true : null,
    );
    assert.deepEqual((await call(other, "GET", "/v1/notes")).body, { notes: [], nextCursor: null });
    const missing = await call(other, "GET", "/v1/notes/first");
    assert.deepEqual([missing.status, missing.body["code"]], [404, "no-such-note"]);
    assert.deepEqual((await call(acme, "GET", "/v1/count")).body, { notes: 1 });
  });

  it("answers for its own aggregate over all cells, and for no other", async () => {
    const answer = await fleet.json<QueryAnswer>(["query", "notes", "--by", "tenant"]);
    assert.equal(answer.coverage.complete, true);
    assert.deepEqual(
      answer.rows.find(({ key }) => key === "acme"),
      { key: "acme", value: 1 },
    );
    const unknown = await fleet.json<{ code: string }>(["query", "active-users"], 1);
    assert.equal(unknown.code, "unknown-query");
  });

  it("passes the test that the guide gives", async () => {
    writeFileSync(join(app, "notes.test.ts"), guide.files.get("notes.test.ts") ?? "");
    const env = { ...process.env, HOST: acme.host, KEY: acme.key, ROUTER: `http://127.0.0.1:${router}` };
    const tested = await run(nodePath(), ["--test", join(app, "notes.test.ts")], env);
    assert.equal(tested.code, 0, tested.stdout);
  });

  it("is refused with the reason where types, migration or name do not fit, and nothing is stored", async () => {
    const create = async (source: string, version: string): Promise<{ code: string; detail: string }> =>
      fleet.json(["release", "create", source, "--version", version], 1);
    const store = join(app, "notes.store.ts");
    const text = readFileSync(store, "utf8");
    writeFileSync(store, text.replace("[id, text])", "[id, text] as number)"));
    const types = await create(app, "2");
    assert.equal(types.code, "types-wrong");
    assert.match(types.detail, /notes\.store\.ts\(\d+,\d+\): error TS/);
    writeFileSync(store, text);

    const index = join(app, "migrations", "0002-pinned.expand.sql");
    writeFileSync(index, "CREATE INDEX by_text ON notes (text);\n");
    const migration = await create(app, "2");
    assert.equal(migration.code, "bad-migration");
    assert.match(migration.detail, /^app\/0002-pinned\.expand\.sql:1 notes \(by_text\): .* Fix: /);

    assert.equal((await create("examples/pulse-2", "2")).code, "another-application");
    assert.equal((await create(folder, "2")).code, "bad-application");
    const { releases } = await fleet.json<{ releases: Release[] }>(["release", "list"]);
    assert.deepEqual(
      releases.map(({ name }) => name),
      ["notes@1"],
    );
  });

  it("brings its second release to all cells, watched by its own journey, and no request fails", async () => {
    for (const [file, text] of guide.files) if (file.includes("/0002")) writeFileSync(join(app, file), text);
    for (const change of guide.changes) {
      const path = join(app, change.file);
      writeFileSync(path, changed(readFileSync(path, "utf8"), change));
    }
    const release = await fleet.json<Release>(["release", "create", app, "--version", "2"]);
    assert.deepEqual(
      release.manifest.journey?.map(({ name }) => name),
      ["save a note", "read the note"],
    );

    const failed: Sent[] = [];
    let sent = 0;
    let done = false;
    const customer = (async () => {
      while (!done) {
        const answer = await call(
          acme,
          sent % 2 === 0 ? "PUT" : "GET",
          "/v1/notes/kept",
          sent % 2 === 0 ? { text: "kept" } : undefined,
        );
        sent += 1;
        if (answer.status !== 200) failed.push(answer);
        await sleep(20);
      }
    })();
    const rollout = await fleet.cli("rollout", "start", "notes@2", "--time-scale", "0.001", "--watch", "--json");
    done = true;
    await customer;
    assert.equal(rollout.code, 0, `${rollout.stdout}\n${rollout.stderr}`);
    assert.deepEqual(failed, []);
    assert.ok(sent > 0);

    const { cells } = await fleet.status();
    assert.deepEqual(new Set(cells.map(({ release: runs }) => runs)), new Set(["notes@2"]));
    const pinned = await call(acme, "POST", "/v1/notes/kept/pin");
    assert.deepEqual([pinned.status, pinned.body["pinned"]], [200, true]);
    assert.equal((await call(acme, "GET", "/v1/notes/first")).body["pinned"], false);
    const judged = (JSON.parse(rollout.stdout) as { history: { verdict?: { numbers: Record<string, number> } }[] })
      .history;
    assert.ok(
      judged.some(({ verdict }) => Object.values(verdict?.numbers ?? {}).some((number) => number > 0)),
      "the verdicts saw samples",
    );
  });
});
