import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { Bed, ids, tenantRow } from "./bed.ts";
import { ask, until } from "./client.ts";
import type { Script } from "./played-cell.ts";

describe("stateless routes", () => {
  const bed = new Bed();
  before(() => bed.start());
  after(() => bed.stop());
  beforeEach(() => {
    for (const cell of [bed.one, bed.two]) {
      cell.received.length = 0;
      cell.script = () => false;
    }
  });
  /** Answers as a route that is marked stateless does. */
  const marked =
    (named: string): Script =>
    (_, response) => {
      response.setHeader("cellplane-stateless", named);
      return false;
    };
  const cellOf = async (path: string, headers: Record<string, string> = {}) =>
    String((await ask(bed.port, { path, headers })).json["cell"]);
  const both = (named: string) => {
    bed.one.script = marked(named);
    bed.two.script = marked(named);
  };

  it("go to any cell at random once a cell has named them; all else stays with the owner, and no client hears of it", async () => {
    both("random GET /v1/preview/:id");
    const first = await ask(bed.port, { path: "/v1/preview/1?x=1" });
    assert.equal(first.json["cell"], "cell-1");
    assert.equal(first.headers["cellplane-stateless"], undefined);
    const cells = new Set<string>();
    for (let index = 0; index < 60; index += 1) cells.add(await cellOf(`/v1/preview/${index}`));
    assert.deepEqual([...cells].toSorted(), ["cell-1", "cell-2"]);
    assert.ok(bed.two.received.every(({ assertion }) => assertion?.tenant === ids.acme && assertion.aud === "cell-2"));
    for (const path of ["/v1/preview", "/v1/preview/1/2", "/v1/other/1"])
      for (let index = 0; index < 8; index += 1) assert.equal(await cellOf(path), "cell-1");
    for (let index = 0; index < 8; index += 1)
      assert.equal((await ask(bed.port, { path: "/v1/preview/1", method: "POST", body: "x" })).json["cell"], "cell-1");
  });

  it("a cell names them for its own tenants alone: it draws nobody else's requests to itself", async () => {
    bed.two.script = marked("random GET /v1/lure/*");
    const globex = { host: "globex.cellplane.localhost", path: "/v1/lure/1" };
    for (let index = 0; index < 4; index += 1) assert.equal((await ask(bed.port, globex)).status, 200);
    bed.two.received.length = 0;
    for (let index = 0; index < 40; index += 1) assert.equal(await cellOf("/v1/lure/1"), "cell-1");
    assert.equal(bed.two.received.length, 0);
  });

  it("by user: the same user at the same cell", async () => {
    both("x-user GET /v1/by-user/*");
    await cellOf("/v1/by-user/a/b");
    const seen = new Set<string>();
    for (let user = 0; user < 30; user += 1) {
      const cell = await cellOf("/v1/by-user/a/b", { "x-user": `u${user}` });
      seen.add(cell);
      for (let again = 0; again < 3; again += 1)
        assert.equal(await cellOf("/v1/by-user/c", { "x-user": `u${user}` }), cell);
    }
    assert.equal(seen.size, 2);
  });

  it("only cells that serve and stand in the tenant's region are asked", async () => {
    both("random GET /v1/region");
    await cellOf("/v1/region");
    await bed.publish({ "cell/cell-2": { ...bed.two.row(), region: "us" } });
    for (let index = 0; index < 20; index += 1) assert.equal(await cellOf("/v1/region"), "cell-1");
    await bed.publish({ "cell/cell-2": { ...bed.two.row(), cordoned: true } });
    for (let index = 0; index < 20; index += 1) assert.equal(await cellOf("/v1/region"), "cell-1");
    await bed.publish({ "cell/cell-2": bed.two.row() });
    await bed.two.kill("a");
    for (let index = 0; index < 20; index += 1) assert.equal(await cellOf("/v1/region"), "cell-1");
    await bed.two.startSlot("a");
  });

  it("a cell that needs the tenant after all sends the request to the owner, and the mark is gone", async () => {
    bed.one.script = marked("random POST /v1/wrong");
    bed.two.script = async (_, response) => {
      const word = await bed.two.leaseWord(ids.acme, "none", null);
      return bed.two.notExecuted(response, 421, "not-owned-here", { "cellplane-lease-word": word });
    };
    const write = () => ask(bed.port, { path: "/v1/wrong", method: "POST", body: "once" });
    // Its breaker may still be open from the test before.
    await until(async () => {
      const answer = await write();
      assert.deepEqual([answer.status, answer.json["cell"]], [200, "cell-1"]);
      bed.one.script = () => false;
      return bed.two.received.length > 0;
    }, "the other cell has been asked");
    for (let index = 0; index < 20; index += 1) assert.equal((await write()).json["cell"], "cell-1");
    assert.equal(bed.two.received.length, 1);
  });

  it("what is no route is not learned, and a suspended tenant is not served anywhere", async () => {
    for (const named of [
      "random",
      "random GET",
      "random BREW /x",
      "random GET x",
      "a b GET /x",
      `random GET /${"x".repeat(300)}`,
    ])
      both(named);
    const path = `/${"x".repeat(300)}`;
    for (let index = 0; index < 8; index += 1) assert.equal(await cellOf(path), "cell-1");
    await bed.publish({
      [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme", { state: "suspended", reason: "unpaid" }),
    });
    assert.equal((await ask(bed.port, { path: "/v1/preview/1" })).status, 403);
  });
});
