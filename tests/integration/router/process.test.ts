import assert from "node:assert/strict";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { Agent } from "node:http";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { freePort } from "../../support/ports.ts";
import { Bed } from "./bed.ts";
import { ask, RawConnection, until } from "./client.ts";
import { RouterProcess } from "./router-process.ts";

/** There is no balancer here that would have to notice. */
const atOnce = { DRAIN_MS: "0" };

describe("the router's process", () => {
  const bed = new Bed();
  let router: RouterProcess;
  before(async () => {
    await bed.start();
    await bed.router.stop();
    router = new RouterProcess(bed, await freePort(), await freePort());
    writeFileSync(
      join(bed.directory, "router.pem"),
      bed.routerKey.privateKey.export({ format: "pem", type: "pkcs8" }),
      { mode: 0o600 },
    );
    await router.start(atOnce);
  });
  after(async () => {
    await router.end("SIGKILL");
    await bed.stop();
  });

  it("serves, and prints no secret", async () => {
    assert.equal((await ask(router.port)).status, 200);
    assert.match(router.log, /"event":"listening"/);
    assert.ok(!router.log.includes("PRIVATE"));
  });

  it("kill -9 and restart with the control plane dead: served from the table on disk at once", async () => {
    await bed.feed.stop();
    assert.equal((await ask(router.port)).status, 200);
    await router.end("SIGKILL");
    await router.start(atOnce);
    assert.equal((await ask(router.port)).status, 200);
    assert.equal((await ask(router.port, { host: "globex.cellplane.localhost" })).json["cell"], "cell-2");
    // The table was never known to be current in this life: no definite word about what is not in it.
    const unknown = await ask(router.port, { host: "newcomer.cellplane.localhost" });
    assert.equal(unknown.status, 503);
    assert.equal(unknown.json["code"], "table-stale");
    assert.equal(unknown.headers["retry-after"], "5");
    const key = await ask(router.port, { headers: { authorization: "Bearer cpk_new" } });
    assert.equal(key.json["code"], "table-stale");
    const foreign = await ask(router.port, { headers: { authorization: "Bearer cpk_globex-key-1" } });
    assert.equal(foreign.status, 401);
    const metrics = await ask(router.adminPort, { path: "/metrics" });
    assert.match(metrics.text, /cellplane_router_table_age_seconds \+Inf/);
  });

  it("fault 18: a table on disk that was tampered with is refused; half a line at its end is cut off", async () => {
    await router.end("SIGKILL");
    const path = join(bed.directory, "fleet", "fleet.table");
    const good = readFileSync(path);
    appendFileSync(path, '{"payload":"{');
    await router.start(atOnce);
    assert.equal((await ask(router.port)).status, 200);
    await router.end("SIGKILL");

    writeFileSync(path, Buffer.from(good.toString("latin1").replaceAll("acme", "evil"), "latin1"));
    // The same ports: whatever fails here, the suite's end has to end this process too, or it would hold them.
    router.log = "";
    router.launch();
    await until(() => router.log.includes('"event":"listening"'), "the router listens", 60_000);
    assert.match(router.log, /"event":"fleet-document-refused"/);
    assert.equal(await router.ready(), false);
    assert.equal((await ask(router.port, { host: "evil.cellplane.localhost" })).status, 503);
    await router.end("SIGKILL");
    writeFileSync(path, good);
    await router.start(atOnce);
  });

  it("SIGTERM: in flight finishes with `Connection: close`, nothing new is taken, and the process ends with 0", async () => {
    let go: () => void = () => undefined;
    bed.one.script = async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      go = resolve;
      await promise;
      return false;
    };
    const idle = new RawConnection(router.port);
    const agent = new Agent({ keepAlive: true });
    const inFlight = ask(router.port, { agent, method: "POST", body: "{}" });
    await until(
      async () =>
        (await ask(router.adminPort, { path: "/metrics" })).text.includes(
          'cellplane_router_cell_in_flight{cell="cell-1"} 1',
        ),
      "one is in flight",
    );
    const ended = router.end("SIGTERM");
    await until(async () => !(await router.ready()), "readiness is off");
    await assert.rejects(ask(router.port), { code: "ECONNREFUSED" });
    go();
    const answer = await inFlight;
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.connection, "close");
    assert.equal(await ended, 0);
    await until(() => idle.closed, "idle connections are closed");
    agent.destroy();
    bed.one.script = () => false;
  });

  it("SIGTERM with a request that never ends is bounded", async () => {
    await router.start({ ...atOnce, STOP_MS: "300" });
    bed.one.script = () => true;
    const stuck = ask(router.port, { method: "POST", body: "{}" });
    stuck.catch(() => undefined);
    await until(
      async () =>
        (await ask(router.adminPort, { path: "/metrics" })).text.includes(
          'cellplane_router_cell_in_flight{cell="cell-1"} 1',
        ),
      "one is in flight",
    );
    // The request never ends: that the process does is the bound. Without it this test would wait for ever.
    assert.equal(await router.end("SIGTERM"), 0);
    await assert.rejects(stuck);
  });
});

describe("two routers on one port", () => {
  const bed = new Bed();
  const routers: RouterProcess[] = [];
  before(async () => {
    await bed.start();
    await bed.router.stop();
    const key = bed.routerKey.privateKey.export({ format: "pem", type: "pkcs8" });
    writeFileSync(join(bed.directory, "router.pem"), key, { mode: 0o600 });
    const port = await freePort();
    for (const id of ["router-1", "router-2"]) {
      const router = new RouterProcess(bed, port, await freePort());
      routers.push(router);
      await router.start({ SHARE_PORT: "true", ROUTER_ID: id, FLEET_DIRECTORY: join(bed.directory, id) });
    }
  });
  after(async () => {
    for (const router of routers) await router.end("SIGKILL");
    await bed.stop();
  });

  const answeredBy = async (router: RouterProcess) =>
    Number(
      /cellplane_router_latency_seconds_count\{[^}]*\} (\d+)/.exec(
        (await ask(router.adminPort, { path: "/metrics" })).text,
      )?.[1] ?? 0,
    );

  it("fault 1: they share its connections, and when one is killed -9 the other serves on", async () => {
    const [one, two] = routers as [RouterProcess, RouterProcess];
    await until(async () => {
      assert.equal((await ask(one.port)).status, 200);
      return (await answeredBy(one)) > 0 && (await answeredBy(two)) > 0;
    }, "both have answered");
    await one.end("SIGKILL");
    for (let index = 0; index < 50; index += 1) assert.equal((await ask(one.port)).status, 200);
  });
});
