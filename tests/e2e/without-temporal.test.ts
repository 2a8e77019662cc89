import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { TenantClient } from "../../scripts/demo/tenant-client.ts";
import { TestFleet, type DemoTenant } from "../support/fleet.ts";

describe("a fleet on a machine without Temporal", () => {
  let fleet: TestFleet;

  before(async () => {
    fleet = await TestFleet.start(["--no-demo"], { CELLPLANE_NO_TEMPORAL: "1" });
  });
  after(async () => {
    await fleet?.remove();
  });

  it("makes tenants and serves them", async () => {
    const tenant = await fleet.json<DemoTenant>(["tenant", "create", "solo", "--tier", "free"]);
    const client = new TenantClient(await fleet.routerPort());
    const answer = await client.send(tenant.host, "GET", "/v1/stats", { authorization: `Bearer ${tenant.key}` });
    client.close();
    assert.equal(answer.status, 200, answer.body);
    assert.equal((await fleet.status()).temporal.pid, null);
  });

  it("refuses a rollout and says what is missing and how to get it", async () => {
    const refused = await fleet.json<{ code: string; detail: string; todo: string }>(
      ["rollout", "start", "pulse@2"],
      1,
    );
    assert.equal(refused.code, "temporal-missing");
    assert.match(`${refused.detail} ${refused.todo}`, /temporal/i);
  });
});
