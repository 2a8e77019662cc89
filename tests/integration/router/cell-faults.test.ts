import assert from "node:assert/strict";
import { Agent } from "node:http";
import { after, afterEach, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../support/ports.ts";
import { Relay } from "../../support/relay.ts";
import { Bed, ids, tenantRow } from "./bed.ts";
import { ask, until, type Answer } from "./client.ts";

const globex = "globex.cellplane.localhost";

/** What a cell that is lost, slow, or refuses everything does to its own tenants, and to those of another cell. */
describe("cells in trouble, seen from the router", () => {
  const bed = new Bed();
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  before(() => bed.start({ CELL_IN_FLIGHT: "20" }));
  after(async () => {
    agent.destroy();
    await bed.stop();
  });
  afterEach(() => {
    bed.one.script = () => false;
    bed.one.received.length = 0;
  });

  const breaker = async (cell: string): Promise<string> => {
    const { cells } = (await bed.admin("/v1/status")).json as { cells: { cell: string; breaker: string }[] };
    return cells.find((each) => each.cell === cell)?.breaker ?? "unknown";
  };
  /** Asks the other cell while something is going on; every answer must be right. */
  const others = async (whileRunning: Promise<unknown>): Promise<number> => {
    let running = true;
    void whileRunning.finally(() => {
      running = false;
    });
    let asked = 0;
    while (running) {
      const answer = await ask(bed.port, { host: globex, agent });
      assert.equal(answer.status, 200);
      assert.equal(answer.json["cell"], "cell-2");
      asked += 1;
      await sleep(5);
    }
    return asked;
  };

  it("fault 13: a cell that swallows everything is found out by a probe; then its tenants are told at once, and the others feel nothing", async () => {
    const port = await freePort();
    const relay = await Relay.start(port, Number(new URL(bed.one.addresses.a.url).port));
    const slot = { ...bed.one.addresses.a, url: `http://127.0.0.1:${port}` };
    await bed.publish({ "cell/cell-1": { ...bed.one.row(), slots: { a: slot, b: slot } } });
    // Connections that are kept, and on which requests will wait in vain.
    await Promise.all(Array.from({ length: 8 }, () => ask(bed.port, { agent })));
    assert.equal(await breaker("cell-1"), "closed");

    await relay.swallow();
    const begin = performance.now();
    const lost = Promise.allSettled(Array.from({ length: 3 }, () => ask(bed.port, { agent })));
    const opened = until(async () => (await breaker("cell-1")) === "open", "the breaker opens", 60_000);
    assert.ok((await others(opened)) > 0);
    const openedAfterMs = performance.now() - begin;
    // 1.6 s by its own times; a busy machine may add to them, ten seconds of a request's own patience must not pass.
    assert.ok(openedAfterMs < 8_000, `${openedAfterMs} ms`);

    const told: Answer[] = [];
    const times: number[] = [];
    for (let n = 0; n < 40; n += 1) {
      const from = performance.now();
      told.push(await ask(bed.port, { agent }));
      times.push(performance.now() - from);
    }
    assert.deepEqual(
      [...new Set(told.map(({ status, json }) => `${status} ${String(json["code"])}`))],
      ["503 cell-unavailable"],
    );
    assert.ok(told.every(({ headers }) => headers["retry-after"] !== undefined));
    const median = times.toSorted((a, b) => a - b)[20] ?? Number.NaN;
    assert.ok(median < 50, `told after ${median} ms`);
    assert.equal(await breaker("cell-1"), "open", "no request of a tenant is spent on finding out");

    relay.comeBack();
    await until(async () => (await ask(bed.port, { agent })).status === 200, "it is found again", 60_000);
    await lost;
    await bed.publish({ "cell/cell-1": bed.one.row() });
    await relay.stop();
  });

  it("fault 15: a cell that takes its time fills its own cap and nothing else; it is slow, not lost", async () => {
    const held: (() => void)[] = [];
    bed.one.script = async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      held.push(resolve);
      await promise;
      return false;
    };
    const slow = Array.from({ length: 30 }, () => ask(bed.port));
    await until(() => held.length === 10, "one tenant's share of the cap is in flight");
    // Longer than any probe waits.
    assert.ok((await others(sleep(2_500))) > 20);
    assert.equal(await breaker("cell-1"), "closed");
    const open = () => held.splice(0).forEach((go) => go());
    const answered = Promise.all(slow);
    const timer = setInterval(open, 20);
    const statuses = (await answered).map(({ status }) => status);
    clearInterval(timer);
    assert.equal(statuses.filter((status) => status === 200).length, 10);
    assert.equal(statuses.filter((status) => status === 503).length, 20);
  });

  it("fault 16: with every health check failing routing goes on: no cell is taken out by them", async () => {
    // The admin addresses of both cells lead nowhere, and a cell that owes no answer is not even probed.
    await bed.publish({
      "cell/cell-1": { ...bed.one.row(), cordoned: true, slots: unhealthy(bed.one.addresses) },
      "cell/cell-2": { ...bed.two.row(), slots: unhealthy(bed.two.addresses) },
    });
    assert.ok((await others(sleep(2_000))) > 20);
    for (let n = 0; n < 20; n += 1) assert.equal((await ask(bed.port)).status, 200);
    assert.deepEqual([await breaker("cell-1"), await breaker("cell-2")], ["closed", "closed"]);
    await bed.publish({ "cell/cell-1": bed.one.row(), "cell/cell-2": bed.two.row() });
  });

  it("fault 17: a cell that answers nothing but 503, or breaks every connection, is asked at most 1.2 times a request", async () => {
    let asked = 0;
    bed.one.script = (_received, response) => {
      asked += 1;
      response.writeHead(503, { "retry-after": "1" }).end();
      return true;
    };
    for (let n = 0; n < 50; n += 1) assert.equal((await ask(bed.port, { agent })).status, 503);
    assert.equal(asked, 50, "an answer is an answer");

    // What breaks before an answer may be tried again, where the method is safe: from the budget of a fifth, and some in reserve.
    bed.one.script = (_received, response) => {
      asked += 1;
      response.socket?.destroy();
      return true;
    };
    const failing = async (count: number) => {
      for (let n = 0; n < count; n += 1) assert.ok((await ask(bed.port, { agent })).status >= 500);
    };
    // The reserve that a quiet cell saves up is spent first.
    await failing(150);
    asked = 0;
    await failing(200);
    assert.ok(asked <= 1.2 * 200 + 1, `${asked} attempts for 200 requests`);
    const post = await Promise.all(Array.from({ length: 5 }, () => ask(bed.port, { method: "POST", body: "{}" })));
    assert.ok(post.every(({ status }) => status >= 500));
    await until(async () => {
      bed.one.script = () => false;
      return (await ask(bed.port, { agent })).status === 200;
    }, "it serves again");
  });

  it("fault 24: a tenant at fifty times its rate gets its own 429s, and its neighbour in the same cell nothing", async () => {
    const limits = { requestsPerSecond: 4, inFlight: 500, bodyBytes: 1_000 };
    await bed.publish({
      [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme", { limits }),
      [`tenant/${ids.frozen}`]: tenantRow(ids.frozen, "calm"),
    });
    const flood = Array.from({ length: 200 }, () => ask(bed.port, { agent }));
    let calm = 0;
    const begin = performance.now();
    const done = Promise.all(flood);
    let running = true;
    void done.finally(() => {
      running = false;
    });
    while (running) {
      assert.equal((await ask(bed.port, { host: "calm.cellplane.localhost" })).status, 200);
      calm += 1;
    }
    const seconds = (performance.now() - begin) / 1000;
    const passed = (await done).filter(({ status }) => status === 200).length;
    assert.ok((await done).every(({ status }) => status === 200 || status === 429));
    assert.ok(passed <= 4 + Math.ceil(4 * seconds), `${passed} passed in ${seconds} s`);
    assert.ok(calm > 0);
    await bed.publish({ [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme"), [`tenant/${ids.frozen}`]: null });
  });
});

function unhealthy(addresses: Bed["one"]["addresses"]): object {
  const nowhere = "http://127.0.0.1:9";
  return {
    a: { ...addresses.a, adminUrl: nowhere, workerUrl: nowhere },
    b: { ...addresses.b, adminUrl: nowhere, workerUrl: nowhere },
  };
}
