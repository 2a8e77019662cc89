import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type protobuf from "protobufjs";
import { envoySchema, misfits } from "../../support/proto-json.ts";
import { Bed, ids, tenantRow } from "./bed.ts";
import { ask, type Answer } from "./client.ts";

interface Discovered {
  readonly version_info: string;
  readonly type_url: string;
  readonly resources: readonly Record<string, unknown>[];
}

describe("the export for Envoy", () => {
  const bed = new Bed();
  let schema: protobuf.Root;
  before(async () => {
    await bed.start({ ENVOY_EXPORT: "true" });
    await bed.publish({
      [`tenant/${ids.frozen}`]: tenantRow(ids.frozen, "late", { state: "suspended", reason: "unpaid" }),
    });
    schema = await envoySchema([
      "envoy/service/discovery/v3/discovery.proto",
      "envoy/config/cluster/v3/cluster.proto",
      "envoy/config/route/v3/route.proto",
    ]);
  });
  after(() => bed.stop());

  const discover = (what: string, body?: object): Promise<Answer> =>
    ask(bed.router.adminPort, {
      path: `/v3/discovery:${what}`,
      ...(body === undefined
        ? {}
        : { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });

  it("fits Envoy's published schema, field by field", async () => {
    for (const what of ["clusters", "routes"]) {
      const { status, json } = await discover(what);
      assert.equal(status, 200);
      assert.ok((json as unknown as Discovered).resources.length > 0);
      assert.deepEqual(misfits(schema, "envoy.service.discovery.v3.DiscoveryResponse", json), []);
    }
  });

  it("the check of the schema finds what does not fit", async () => {
    const cluster = "envoy.config.cluster.v3.Cluster";
    const of = (value: object) => misfits(schema, cluster, value, "it");
    assert.deepEqual(of({ name: "x", type: "STATIC", connect_timeout: "1s" }), []);
    assert.deepEqual(of({ nmae: "x" }), ["it.nmae: no such field"]);
    assert.deepEqual(of({ type: "SOMEHOW" }), ["it.type: SOMEHOW is none of its values"]);
    assert.deepEqual(of({ connect_timeout: 1 }), ["it.connect_timeout: not a google.protobuf.Duration"]);
    assert.equal(of({ type: "STATIC", cluster_type: { name: "x" } }).length, 1);
    assert.deepEqual(of({ load_assignment: { endpoints: [{ priority: -1 }] } }), [
      "it.load_assignment.endpoints[0].priority: not a uint32",
    ]);
  });

  it("names each cell's slots, the live one first, and each host's cell", async () => {
    bed.one.live = "b";
    await bed.publish({ "cell/cell-1": bed.one.row() });
    const clusters = (await discover("clusters")).json as unknown as Discovered;
    const one = clusters.resources.find(({ name }) => name === "cell-1") as {
      load_assignment: { endpoints: { priority: number; lb_endpoints: { endpoint: { address: object } }[] }[] };
    };
    const port = (url: string) => Number(new URL(url).port);
    assert.deepEqual(
      one.load_assignment.endpoints.map(({ priority, lb_endpoints: [first] }) => [priority, first?.endpoint.address]),
      [bed.one.addresses.b.url, bed.one.addresses.a.url].map((url, priority) => [
        priority,
        { socket_address: { address: "127.0.0.1", port_value: port(url) } },
      ]),
    );
    const [routes] = ((await discover("routes")).json as unknown as Discovered).resources;
    const hosts = ((routes?.["virtual_hosts"] ?? []) as { name: string; domains: string[]; routes: object[] }[]).map(
      (each) => [each.name, each.domains, JSON.stringify(each.routes)],
    );
    const to = (cell: string) => JSON.stringify([{ match: { prefix: "/" }, route: { cluster: cell, timeout: "0s" } }]);
    assert.deepEqual(hosts.slice(0, 2), [
      ["cell-1", ["acme.cellplane.localhost", "events.acme.example"], to("cell-1")],
      ["cell-2", ["globex.cellplane.localhost"], to("cell-2")],
    ]);
    assert.equal(hosts[2]?.[0], "suspended");
    assert.match(String(hosts[2]?.[2]), /"status":403/);
  });

  it("is answered with 304 to whoever has this version, and again when the document changed", async () => {
    const first = (await discover("routes", { node: { id: "envoy-1" }, resource_names: ["cellplane"] }))
      .json as unknown as Discovered;
    assert.equal(first.type_url, "type.googleapis.com/envoy.config.route.v3.RouteConfiguration");
    assert.equal((await discover("routes", { version_info: first.version_info })).status, 304);
    await bed.publish({ [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme", { cell: "cell-2", epoch: 2 }) });
    const second = (await discover("routes", { version_info: first.version_info })).json as unknown as Discovered;
    assert.notEqual(second.version_info, first.version_info);
    assert.match(JSON.stringify(second.resources), /"cell-2","domains":\[[^\]]*"acme\.cellplane\.localhost"/);
  });

  it("is not there unless it was asked for", async () => {
    const closed = new Bed();
    await closed.start();
    const { status } = await ask(closed.router.adminPort, { path: "/v3/discovery:clusters" });
    await closed.stop();
    assert.equal(status, 404);
  });
});
