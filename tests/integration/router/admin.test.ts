import assert from "node:assert/strict";
import { Agent } from "node:http";
import { after, before, describe, it } from "node:test";
import Value from "typebox/value";
import { RouterStatus, Samples, latencyBoundsMs } from "../../../common/contracts/samples.ts";
import { generateSigningKey } from "../../../common/keys.ts";
import { signToken } from "../../../common/tokens.ts";
import { TableStatus } from "../../../router/admin/table-status.ts";
import { Bed, ids, tenantRow } from "./bed.ts";
import { ask } from "./client.ts";

describe("the router's admin API", () => {
  const bed = new Bed();
  before(() => bed.start());
  after(() => bed.stop());

  it("counts by cell, release and kind of traffic, the release being what the cell named", async () => {
    await bed.publish({
      [`tenant/${ids.frozen}`]: tenantRow(ids.frozen, "synthetic-cell-1", { synthetic: true, tier: "synthetic" }),
    });
    for (let index = 0; index < 3; index++) await ask(bed.port);
    bed.one.release = "pulse@2";
    bed.one.script = (_received, response) => {
      response.writeHead(500).end();
      return true;
    };
    await ask(bed.port);
    bed.one.script = () => false;
    await ask(bed.port, { host: "synthetic-cell-1.cellplane.localhost" });
    await bed.one.kill("a");
    await ask(bed.port);
    await ask(bed.port, { host: "nobody.cellplane.localhost" });
    await bed.one.startSlot("a");

    const answer = await bed.admin("/v1/samples");
    assert.ok(Value.Check(Samples, answer.json));
    const samples = answer.json;
    assert.equal(samples.source, "router-1");
    const seen = samples.counters.map(({ cell, release, synthetic, requests, errors, latency }) => {
      assert.equal(latency.length, latencyBoundsMs.length + 1);
      assert.equal(
        latency.reduce((sum, count) => sum + count, 0),
        requests,
      );
      return [cell, release, synthetic, requests, errors];
    });
    assert.deepEqual(seen, [
      ["cell-1", "pulse@1", false, 3, 0],
      ["cell-1", "pulse@2", false, 1, 1],
      ["cell-1", "pulse@2", true, 1, 0],
      ["cell-1", null, false, 1, 1],
    ]);
  });

  it("says what it knows: generation, age, cells, and where a tenant is", async () => {
    const status = await bed.admin("/v1/status");
    assert.ok(Value.Check(RouterStatus, status.json));
    assert.deepEqual(status.json.generation, bed.feed.generation);
    assert.equal(status.json.source, "feed");
    assert.ok(status.json.tableAgeSeconds < 20);
    assert.deepEqual(
      status.json.cells.map(({ cell }) => cell),
      ["cell-1", "cell-2"],
    );
    assert.deepEqual((await bed.admin("/v1/tenants/globex")).json, {
      id: ids.globex,
      slug: "globex",
      cell: "cell-2",
      epoch: 1,
      state: "active",
      source: "document",
    });
    assert.equal((await bed.admin("/v1/tenants/nobody")).status, 404);
    assert.equal((await bed.admin("/v1/tenants/NOT_A_SLUG")).status, 400);
  });

  it("is closed to everybody else: no token, another audience, a stranger's or a cell's key, a lie about the sender", async () => {
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: "control-plane", aud: "router-1", iat: now, exp: now + 60 };
    const tokens = [
      await signToken("cp-command", claims, generateSigningKey()),
      await signToken("cp-command", { ...claims, iss: "cell-1" }, bed.one.key),
      await signToken("cp-command", { ...claims, iss: "worker" }, bed.operatorKey),
      await signToken("cp-command", { ...claims, exp: now - 30, iat: now - 90 }, bed.operatorKey),
      await signToken("cp-assertion", claims, bed.operatorKey),
      "rubbish",
    ];
    for (const path of ["/v1/status", "/v1/samples", "/v1/tenants/acme", "/v1/table"]) {
      assert.equal((await ask(bed.router.adminPort, { path })).status, 401);
      for (const token of tokens) {
        const { status, json } = await ask(bed.router.adminPort, {
          path,
          headers: { authorization: `Bearer ${token}` },
        });
        assert.equal(status, 401);
        assert.equal(json["code"], "unauthenticated");
      }
    }
    assert.equal((await bed.admin("/v1/status", "cell-1")).status, 401);
    assert.equal((await ask(bed.port, { path: "/v1/samples" })).json["cell"], "cell-1");
  });

  it("metrics name cells, releases and codes, and never a tenant", async () => {
    await ask(bed.port, { host: "nobody.cellplane.localhost" });
    const { text, headers } = await ask(bed.router.adminPort, { path: "/metrics" });
    assert.match(headers["content-type"] ?? "", /^text\/plain; version=0\.0\.4/);
    assert.match(
      text,
      /cellplane_router_requests_total\{cell="cell-1",release="pulse@1",tier="free",synthetic="false",status="2xx"\} 3\n/,
    );
    assert.match(text, /cellplane_router_refusals_total\{code="unknown-tenant"\} \d+\n/);
    assert.match(
      text,
      /cellplane_router_latency_seconds_bucket\{cell="cell-1",release="pulse@1",tier="free",synthetic="false",le="\+Inf"\} 3\n/,
    );
    assert.ok(!text.includes("acme") && !text.includes(ids.acme) && !text.includes("nobody"));
    for (const line of text.trimEnd().split("\n"))
      assert.match(line, /^(# (HELP|TYPE) .+|[a-z_]+(\{[^}]*\})? (\+Inf|-?[0-9.e+-]+))$/);
  });

  it("a row that does not fit its schema is left out; the rest of the table serves", async () => {
    await bed.publish({
      [`tenant/${ids.frozen}`]: { id: ids.frozen, slug: "BAD SLUG" },
      "cell/cell-9": { id: "cell-9" },
    });
    assert.equal((await ask(bed.port)).status, 200);
    assert.match(
      (await ask(bed.router.adminPort, { path: "/metrics" })).text,
      /cellplane_router_table_bad_rows_total 2\n/,
    );
  });

  it("counts bytes both ways, errors by tier, and puts the table's age on every answer of the admin API", async () => {
    await bed.publish({
      [`tenant/${ids.frozen}`]: tenantRow(ids.frozen, "big", { tier: "enterprise" }),
    });
    bed.one.release = "pulse@3";
    const host = "big.cellplane.localhost";
    const { text } = await ask(bed.port, { host, method: "POST", body: Buffer.alloc(5_000, "x") });
    bed.one.script = (_received, response) => {
      response.writeHead(502).end("lost");
      return true;
    };
    await ask(bed.port, { host });
    bed.one.script = () => false;
    const { text: page, headers } = await ask(bed.router.adminPort, { path: "/metrics" });
    const of = (name: string) =>
      Number(
        new RegExp(
          `cellplane_router_${name}\\{cell="cell-1",release="pulse@3",tier="enterprise",synthetic="false"\\} (\\d+)`,
        ).exec(page)?.[1],
      );
    assert.equal(of("request_bytes_total"), 5_000);
    assert.equal(of("answer_bytes_total"), text.length + "lost".length);
    assert.equal(of("errors_total"), 1);
    assert.match(String(headers["cellplane-table-age"]), /^\d+$/);
    assert.ok(!page.includes('tenant="'));
  });

  it("tells of the table in full", async () => {
    const { json } = await bed.admin("/v1/table");
    assert.ok(Value.Check(TableStatus, json), JSON.stringify(json));
    assert.deepEqual([json.state, json.source, json.alarms], ["following", "feed", []]);
    assert.deepEqual(json.tenantsByCell, { "cell-1": 2, "cell-2": 1 });
    assert.deepEqual([json.tenants, json.keys], [3, 2]);
  });

  it("drained it is not ready and ends connections with their answers, and serves; until it is told otherwise", async () => {
    const put = (path: string, body: object) => bed.admin(path, "router-1", { method: "PUT", body });
    const ready = async () => (await ask(bed.router.adminPort, { path: "/readyz" })).status;
    assert.deepEqual((await put("/v1/drain", { draining: true })).json, { draining: true });
    assert.equal(await ready(), 503);
    const agent = new Agent({ keepAlive: true });
    const drained = await ask(bed.port, { agent });
    assert.deepEqual([drained.status, drained.headers.connection], [200, "close"]);
    await put("/v1/drain", { draining: false });
    assert.equal(await ready(), 200);
    assert.notEqual((await ask(bed.port, { agent })).headers.connection, "close");
    agent.destroy();
    assert.equal((await put("/v1/drain", { draining: "yes" })).status, 400);
  });

  it("logs as much as it is told to", async () => {
    const put = (level: string) => bed.admin("/v1/log-level", "router-1", { method: "PUT", body: { level } });
    assert.deepEqual((await put("debug")).json, { level: "debug" });
    assert.equal(bed.log.level, "debug");
    assert.equal((await put("loud")).status, 400);
    assert.deepEqual((await put("silent")).json, { level: "silent" });
    assert.equal((await ask(bed.router.adminPort, { path: "/v1/log-level", method: "PUT", body: "{}" })).status, 401);
  });
});
