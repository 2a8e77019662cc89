import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import {
  CreateHostedZoneCommand,
  ListHealthChecksCommand,
  ListResourceRecordSetsCommand,
  ChangeResourceRecordSetsCommand,
  Route53Client,
} from "@aws-sdk/client-route-53";
import { applyDns, planAgainstZone, type DnsTools } from "../../../control-plane/dns/apply.ts";
import { healthCheckPrefix } from "../../../control-plane/dns/desired.ts";
import { pacedCalls } from "../../../control-plane/dns/pacing.ts";
import { connectRoute53 } from "../../../control-plane/dns/route53.ts";
import { type Moto, startMoto } from "../../support/moto.ts";
import { anInput, router } from "../../unit/dns/fixtures.ts";
import { invalidBatch, refusal, type StandIn, startStandIn } from "./stand-in.ts";

const credentials = { accessKeyId: "test", secretAccessKey: "test" };
let moto: Moto;
let standIn: StandIn;
let direct: Route53Client;
let zoneId = "";
let baseDomain = "";
let zones = 0;
const opened: DnsTools[] = [];

/** Tools whose pauses take no time, so that backoff is exercised and not waited for. */
function tools(): DnsTools {
  const sleep = (): Promise<void> => Promise.resolve();
  const paced = pacedCalls({ sleep, monotonic: () => 0, random: () => 0.5 });
  const made = { route53: connectRoute53({ endpoint: standIn.url, credentials }, paced), paced, sleep };
  opened.push(made);
  return made;
}

const input = (overrides: Parameters<typeof anInput>[0] = {}) =>
  anInput({ baseDomain, fleet: `fleet-${zones}`, ...overrides });
const generation = (n: number, term = 1) => ({ generation: { term, n } });
const oneRouter = { regions: [{ region: "eu", weight: 60, routers: [router("router-1", "192.0.2.1")] }], tenants: [] };

async function listed(): Promise<string[]> {
  const { ResourceRecordSets = [] } = await direct.send(new ListResourceRecordSetsCommand({ HostedZoneId: zoneId }));
  return ResourceRecordSets.filter(({ Type }) => Type === "A").map(
    ({ Name, Weight, Failover, ResourceRecords, AliasTarget, HealthCheckId }) =>
      [
        Name,
        Weight ?? Failover,
        ResourceRecords?.map(({ Value }) => Value).join(" ") ?? `→ ${AliasTarget?.DNSName}`,
        HealthCheckId === undefined ? undefined : "checked",
      ]
        .filter((word) => word !== undefined)
        .join(" "),
  );
}

async function markers(): Promise<string[]> {
  const { ResourceRecordSets = [] } = await direct.send(new ListResourceRecordSetsCommand({ HostedZoneId: zoneId }));
  return ResourceRecordSets.filter(({ Type }) => Type === "TXT").flatMap(({ ResourceRecords = [] }) =>
    ResourceRecords.map(({ Value = "" }) => Value),
  );
}

before(async () => {
  moto = await startMoto();
  standIn = await startStandIn(moto.url);
  direct = new Route53Client({ endpoint: moto.url, region: "us-east-1", credentials });
});

beforeEach(async () => {
  standIn.intercept(() => null);
  zones += 1;
  baseDomain = `fleet-${zones}.example`;
  const { HostedZone } = await direct.send(
    new CreateHostedZoneCommand({ Name: baseDomain, CallerReference: baseDomain }),
  );
  zoneId = HostedZone?.Id ?? "";
});

after(async () => {
  for (const { route53 } of opened) route53.close();
  direct?.destroy();
  await standIn?.close();
  await moto?.stop();
});

describe("applying DNS to Route 53", () => {
  it("brings an empty zone to the plan, with health checks, and a second time changes nothing", async () => {
    const applied = await applyDns(tools(), zoneId, input(), null);
    assert.deepEqual([applied.upserted, applied.deleted, applied.healthChecksCreated], [12, 0, 4]);
    assert.deepEqual((await listed()).toSorted(), [
      `*.${baseDomain}. 40 → us._entry.${baseDomain}`,
      `*.${baseDomain}. 60 → eu._entry.${baseDomain}`,
      `acme.${baseDomain}. PRIMARY 203.0.113.1 checked`,
      `acme.${baseDomain}. SECONDARY → eu._entry.${baseDomain}`,
      `beta.${baseDomain}. 100 → us._entry.${baseDomain}`,
      `eu._entry.${baseDomain}. PRIMARY → eu._routers.${baseDomain}`,
      `eu._entry.${baseDomain}. SECONDARY → us._routers.${baseDomain}`,
      `eu._routers.${baseDomain}. 100 192.0.2.1 checked`,
      `eu._routers.${baseDomain}. 100 192.0.2.2 checked`,
      `us._entry.${baseDomain}. PRIMARY → us._routers.${baseDomain}`,
      `us._entry.${baseDomain}. SECONDARY → eu._routers.${baseDomain}`,
      `us._routers.${baseDomain}. 100 198.51.100.1 checked`,
    ]);
    const again = await applyDns(tools(), zoneId, input(), null);
    assert.deepEqual([again.batches, again.upserted, again.deleted, again.healthChecksCreated], [0, 0, 0, 0]);
    assert.deepEqual(again.marker, applied.marker);
  });

  it("removes what is no longer wanted, health checks included, and only that", async () => {
    const foreign = {
      Name: `www.${baseDomain}`,
      Type: "A" as const,
      TTL: 60,
      ResourceRecords: [{ Value: "203.0.113.9" }],
    };
    const changes = [{ Action: "CREATE" as const, ResourceRecordSet: foreign }];
    await direct.send(new ChangeResourceRecordSetsCommand({ HostedZoneId: zoneId, ChangeBatch: { Changes: changes } }));
    await applyDns(tools(), zoneId, input(), null);
    const applied = await applyDns(tools(), zoneId, input({ ...generation(6), ...oneRouter }), null);
    assert.deepEqual([applied.deleted, applied.healthChecksDeleted], [9, 3]);
    assert.deepEqual((await listed()).toSorted(), [
      `*.${baseDomain}. 60 → eu._entry.${baseDomain}`,
      `eu._entry.${baseDomain}. PRIMARY → eu._routers.${baseDomain}`,
      `eu._routers.${baseDomain}. 100 192.0.2.1 checked`,
      `www.${baseDomain}. 203.0.113.9`,
    ]);
    const { HealthChecks = [] } = await direct.send(new ListHealthChecksCommand({}));
    const own = HealthChecks.filter(({ CallerReference = "" }) =>
      CallerReference.startsWith(healthCheckPrefix(`fleet-${zones}`)),
    );
    assert.deepEqual(
      own.map(({ HealthCheckConfig }) => HealthCheckConfig?.IPAddress),
      ["192.0.2.1"],
    );
  });

  it("keeps the generation beside the records and refuses an older plan (fault 20)", async () => {
    await applyDns(tools(), zoneId, input(generation(7)), null);
    const before7 = await listed();
    await assert.rejects(applyDns(tools(), zoneId, input({ ...generation(6), ...oneRouter }), null), {
      code: "dns-plan-older",
    });
    await assert.rejects(planAgainstZone(tools().route53, zoneId, input(generation(6))), { code: "dns-plan-older" });
    assert.deepEqual(await listed(), before7);
    const [marker, ...more] = await markers();
    assert.match(
      marker ?? "",
      new RegExp(`fleet=fleet-${zones} generation=1\\.7 serial=1 plan=[0-9a-f]{32} state=applied`),
    );
    assert.deepEqual(more, []);
  });

  it("notes a newer generation even where no record changes", async () => {
    await applyDns(tools(), zoneId, input(generation(7)), null);
    const applied = await applyDns(tools(), zoneId, input(generation(1, 2)), null);
    assert.deepEqual([applied.batches, applied.upserted, applied.marker.serial], [1, 0, 2]);
    await assert.rejects(applyDns(tools(), zoneId, input(generation(8)), null), { code: "dns-plan-older" });
  });

  it("refuses one of two that apply at the same time", async () => {
    await applyDns(tools(), zoneId, input(generation(1)), null);
    const late = tools();
    const overtaken: DnsTools = {
      ...late,
      route53: {
        ...late.route53,
        async change(...args) {
          await applyDns(tools(), zoneId, input({ ...generation(3), ...oneRouter }), null);
          return await late.route53.change(...args);
        },
      },
    };
    await assert.rejects(applyDns(overtaken, zoneId, input({ ...generation(2), ttlSeconds: 30 }), null), {
      code: "dns-zone-changed",
    });
    assert.equal((await listed()).length, 3);
    assert.match((await markers())[0] ?? "", /generation=1\.3 serial=2/);
  });

  it("believes in a batch whose answer was lost, when the zone says so", async () => {
    standIn.loseAnswer(({ method, path }) => method === "POST" && path.includes("/rrset"));
    const applied = await applyDns(tools(), zoneId, input(), null);
    assert.deepEqual([applied.retries, applied.batches], [1, 1]);
    assert.equal((await listed()).length, 12);
  });

  it("says so when Route 53 refuses a batch for another reason, in whatever form", async () => {
    for (const answer of [refusal("InvalidChangeBatch"), invalidBatch]) {
      standIn.intercept(({ method, path }) => (method === "POST" && path.includes("/rrset") ? answer : null));
      await assert.rejects(applyDns(tools(), zoneId, input(), null), { code: "dns-refused" });
    }
  });

  it("backs off and converges when Route 53 throttles with HTTP 400 (fault 21)", async () => {
    const answers = ["Throttling", "PriorRequestNotComplete", "Throttling", "PriorRequestNotComplete"];
    standIn.intercept(({ method, path }) =>
      method === "POST" && path.includes("/rrset") && answers.length > 0 ? refusal(answers.pop() ?? "") : null,
    );
    const applied = await applyDns(tools(), zoneId, input(), null);
    assert.deepEqual([applied.retries, applied.upserted], [4, 12]);
    assert.equal((await listed()).length, 12);
  });

  it("gives up in the end, saying so, and goes on at the next call", async () => {
    standIn.intercept(({ method, path }) =>
      method === "POST" && path.includes("/rrset") ? refusal("Throttling") : null,
    );
    await assert.rejects(applyDns(tools(), zoneId, input(), null), { code: "dns-unavailable" });
    standIn.intercept(() => null);
    assert.equal((await applyDns(tools(), zoneId, input(), null)).upserted, 12);
  });

  it("waits until all name servers have a change", async () => {
    let pending = 3;
    standIn.intercept(({ path }) => {
      if (!path.includes("/change/") || pending === 0) return null;
      pending -= 1;
      const info =
        "<ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status><SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt></ChangeInfo>";
      return {
        status: 200,
        body: `<?xml version="1.0"?><GetChangeResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/">${info}</GetChangeResponse>`,
      };
    });
    await applyDns(tools(), zoneId, input(), null);
    assert.equal(pending, 0);
  });

  it("touches no name that somebody else's record occupies", async () => {
    const foreign = {
      Name: `acme.${baseDomain}`,
      Type: "A" as const,
      TTL: 60,
      ResourceRecords: [{ Value: "203.0.113.9" }],
    };
    const changes = [{ Action: "CREATE" as const, ResourceRecordSet: foreign }];
    await direct.send(new ChangeResourceRecordSetsCommand({ HostedZoneId: zoneId, ChangeBatch: { Changes: changes } }));
    await assert.rejects(applyDns(tools(), zoneId, input(), null), {
      code: "dns-name-occupied",
      message: `acme.${baseDomain} A`,
    });
    assert.equal((await listed()).length, 1);
  });

  it("shows drift, and mends it", async () => {
    await applyDns(tools(), zoneId, input(), null);
    const { ResourceRecordSets = [] } = await direct.send(new ListResourceRecordSetsCommand({ HostedZoneId: zoneId }));
    const wildcard = ResourceRecordSets.find(({ SetIdentifier }) => SetIdentifier === "cellplane/wildcard/us/A");
    assert.ok(wildcard !== undefined);
    const edit = [{ Action: "UPSERT" as const, ResourceRecordSet: { ...wildcard, Weight: 0 } }];
    await direct.send(new ChangeResourceRecordSetsCommand({ HostedZoneId: zoneId, ChangeBatch: { Changes: edit } }));

    const plan = await planAgainstZone(tools().route53, zoneId, input());
    assert.deepEqual(
      plan.drift.map(({ record, why }) => `${record.identifier} ${why}`),
      ["cellplane/wildcard/us/A differs"],
    );
    await applyDns(tools(), zoneId, input(), plan.hash);
    assert.deepEqual((await planAgainstZone(tools().route53, zoneId, input())).changes, []);
  });

  it("applies only the plan that was looked at", async () => {
    await assert.rejects(applyDns(tools(), zoneId, input(), "0".repeat(64)), { code: "dns-plan-differs" });
    assert.deepEqual(await listed(), []);
  });

  it("says what Route 53 refuses, without pasting its words", async () => {
    await assert.rejects(applyDns(tools(), "Z0000000000", input(), null), {
      code: "dns-refused",
      message: "Route 53 answered NoSuchHostedZone",
    });
  });

  it("applies many tenants in bounded batches", async () => {
    const tenants = Array.from({ length: 450 }, (_, n) => ({ slug: `tenant-${n}`, region: "eu", cell: null }));
    const from = standIn.seen.length;
    const applied = await applyDns(tools(), zoneId, input({ tenants }), null);
    assert.deepEqual([applied.batches, applied.upserted, applied.marker.serial], [3, 459, 3]);
    const posted = standIn.seen.slice(from).filter((line) => line.startsWith("POST") && line.includes("/rrset"));
    assert.equal(posted.length, 3);
    assert.deepEqual((await planAgainstZone(tools().route53, zoneId, input({ tenants }))).changes, []);
  });
});
