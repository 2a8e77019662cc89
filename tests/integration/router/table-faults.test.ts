import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { generateSigningKey } from "../../../common/keys.ts";
import { Bed, ids, keys, tenantRow } from "./bed.ts";
import { ask, until } from "./client.ts";

interface TableStatus {
  readonly generation: { readonly term: number; readonly n: number };
  readonly ageSeconds: number | null;
  readonly refused: Readonly<Record<string, number>>;
  readonly alarms: readonly { readonly code: string }[];
}

/** What becomes of a router whose control plane is dead, silent, mad, or somebody else. */
describe("the router's table in trouble", () => {
  const bed = new Bed();
  before(() => bed.start({ TABLE_STALE_SECONDS: "1" }));
  after(() => bed.stop());

  const table = async () => (await bed.admin("/v1/table")).json as unknown as TableStatus;
  const metric = async (name: string): Promise<number> => {
    const { text } = await ask(bed.router.adminPort, { path: "/metrics" });
    const line = text.split("\n").find((each) => each.startsWith(`${name} `) || each.startsWith(`${name}{`));
    return Number((line ?? "").split(" ").at(-1)?.replace("+Inf", "Infinity"));
  };
  const serves = async () => {
    assert.equal((await ask(bed.port)).json["cell"], "cell-1");
    const { json } = await ask(bed.port, {
      host: "globex.cellplane.localhost",
      headers: { authorization: `Bearer ${keys.globex}` },
    });
    assert.equal(json["cell"], "cell-2");
  };
  const follows = () => until(() => bed.feed.listeners > 0, "the router listens again", 60_000);
  /** Waits until something was refused for that reason once more; the router must serve as before, by the same generation. */
  const refusesAs = async (reason: string, provoke: () => void) => {
    const before = await table();
    const count = (status: TableStatus) => status.refused[reason] ?? 0;
    provoke();
    await until(async () => count(await table()) > count(before), `it is refused as ${reason}`, 60_000);
    await serves();
    const after = await table();
    assert.deepEqual(after.generation, before.generation);
    assert.ok(
      after.alarms.some(({ code }) => code === "table-refused"),
      JSON.stringify(after.alarms),
    );
    const { text } = await ask(bed.router.adminPort, { path: "/metrics" });
    assert.match(text, new RegExp(`cellplane_router_documents_refused_total\\{reason="${reason}"\\} [1-9]`));
    await follows();
  };

  it("fault 18: deltas that are corrupt, oversized, a stranger's or wrongly signed are refused and alarmed; the last good table serves", async () => {
    const stranger = generateSigningKey();
    const delta = () => ({ kind: "delta", ...bed.feed.nextDelta({ [`tenant/${ids.acme}`]: null }) });
    await refusesAs("malformed", () => bed.feed.sendRaw("delta", "{not json"));
    await refusesAs("malformed", () => bed.feed.sendRaw("delta", "{}"));
    await refusesAs("unknown-key", () => bed.feed.sendRaw("delta", JSON.stringify(bed.feed.sealed(delta(), stranger))));
    await refusesAs("bad-signature", () => {
      const signed = bed.feed.sealed(delta());
      bed.feed.sendRaw("delta", JSON.stringify({ ...signed, payload: signed.payload.replace("null", "true") }));
    });
    await refusesAs("malformed", () =>
      bed.feed.sendRaw("delta", JSON.stringify(bed.feed.sealed({ ...delta(), kind: "snapshot" }))),
    );
    await refusesAs("oversized", () => bed.feed.sendRaw("delta", "x".repeat(17 * 1024 * 1024)));
  });

  it("fault 18: snapshots that are empty, corrupt, signed by a stranger, or do not add up are refused; the last good table serves", async () => {
    const stranger = generateSigningKey();
    const generation = { term: 1, n: 99 };
    const snapshot = (rows: Record<string, unknown>, hash: string) => ({ kind: "snapshot", generation, hash, rows });
    const zero = "0".repeat(64);
    for (const [reason, text] of [
      ["malformed", ""],
      ["malformed", "<html>502 Bad Gateway</html>"],
      ["malformed", JSON.stringify(bed.feed.sealed(snapshot({}, zero)))],
      ["wrong-hash", JSON.stringify(bed.feed.sealed(snapshot({ "cell/cell-1": bed.one.row() }, zero)))],
      ["unknown-key", JSON.stringify(bed.feed.sealed(snapshot({}, zero), stranger))],
    ] as const) {
      await refusesAs(reason, () => {
        bed.feed.spoilt = text;
        bed.feed.sendRaw("reset", "{}");
        // It asks again and again; the next answer is good, and ends the trouble.
        const at = bed.feed.snapshots;
        void until(() => bed.feed.snapshots > at + 1, "the snapshot was asked for", 60_000).then(() => {
          bed.feed.spoilt = null;
        });
      });
      bed.feed.spoilt = null;
    }
  });

  it("fault 19: older deltas, checks and snapshots that arrive late are ignored; the generation never falls", async () => {
    const old = bed.feed.sealed({
      kind: "delta",
      ...bed.feed.nextDelta({ [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme", { epoch: 2 }) }),
    });
    const late = { generation: { ...bed.feed.generation }, hash: "0".repeat(64) };
    await bed.publish({ [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme", { epoch: 3 }) });
    await bed.publish({ [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme", { epoch: 4 }) });
    const epoch = async () => (await bed.admin("/v1/tenants/acme")).json["epoch"];
    assert.equal(await epoch(), 4);
    await refusesAs("older", () => bed.feed.sendRaw("delta", JSON.stringify(old)));
    await refusesAs("older", () => bed.feed.sendRaw("check", JSON.stringify(late)));
    await refusesAs("older", () => {
      const rows = { "settings/fleet": { baseDomain: "cellplane.localhost", application: "pulse" } };
      bed.feed.spoilt = bed.feed.sealedSnapshot(rows, { term: 1, n: 1 });
      bed.feed.sendRaw("reset", "{}");
      const at = bed.feed.snapshots;
      void until(() => bed.feed.snapshots > at + 1, "the snapshot was asked for", 60_000).then(() => {
        bed.feed.spoilt = null;
      });
    });
    assert.equal(await epoch(), 4);
  });

  it("fault 2: with the control plane dead routing goes on; keys, limits and states are those of the table", async () => {
    await bed.feed.stop();
    let wrong = 0;
    for (let n = 0; n < 300; n += 1) {
      const { status } = await ask(bed.port, n % 2 === 0 ? {} : { host: "globex.cellplane.localhost" });
      if (status !== 200) wrong += 1;
    }
    assert.equal(wrong, 0);
    await serves();
    assert.equal((await ask(bed.port, { headers: { authorization: `Bearer ${keys.globex}` } })).status, 401);
  });

  it("fault 14: cut off from the control plane the table's age is shown and alarmed, and no answer becomes an error", async () => {
    await until(
      async () => (await table()).alarms.some(({ code }) => code === "table-stale"),
      "the age is an alarm",
      60_000,
    );
    const status = await bed.admin("/v1/table");
    const age = Number((status.json as unknown as TableStatus).ageSeconds);
    assert.ok(age > 1);
    assert.ok(Number(status.headers["cellplane-table-age"]) >= Math.floor(age) - 1);
    assert.equal(await metric("cellplane_router_table_stale"), 1);
    assert.ok((await metric("cellplane_router_table_age_seconds")) > 1);
    await serves();
    const unknown = await ask(bed.port, { host: "newcomer.cellplane.localhost" });
    assert.equal(unknown.json["code"], "table-stale", "no definite word about whom it does not know");

    await bed.feed.start(Number(new URL(bed.feed.url).port));
    await until(async () => (await metric("cellplane_router_table_stale")) === 0, "the alarm ends", 60_000);
    assert.ok(!(await table()).alarms.some(({ code }) => code === "table-stale"));
    assert.equal((await ask(bed.port, { host: "newcomer.cellplane.localhost" })).status, 404);
  });

  it("a router that slept while the publisher's keys changed twice boots from its bundle, and follows by what the document says", async () => {
    const [second, third] = [generateSigningKey(), generateSigningKey()];
    const row = (...which: { readonly spki: string }[]) => ({
      "part/publisher": { id: "publisher", role: "publisher", keys: which.map(({ spki }) => spki), url: null },
    });
    await bed.publish(row(bed.feed.key, second));
    await bed.router.stop();
    // A week passes: the first key goes, a third comes. What the router has on disk knows the second.
    bed.feed.signWith(second);
    bed.feed.publish(row(second, third));
    bed.feed.publish({ [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme", { epoch: 7 }) });
    const { port } = new URL(bed.feed.url);
    await bed.feed.stop();
    await bed.startRouterAlone();
    assert.equal((await bed.admin("/v1/table")).json["source"], "disk");
    await serves();
    await bed.feed.start(Number(port));
    await until(
      async () => (await bed.admin("/v1/tenants/acme")).json["epoch"] === 7,
      "it has what came meanwhile",
      60_000,
    );
    await follows();
    bed.feed.signWith(third);
    await bed.publish({ [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme", { epoch: 8 }) });
    assert.equal((await bed.admin("/v1/tenants/acme")).json["epoch"], 8);
  });

  it("a change is appended to the table on disk and rewrites nothing of it", async () => {
    const path = join(bed.directory, "fleet", "fleet.table");
    const before = readFileSync(path);
    await bed.publish({ [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme", { epoch: 9 }) });
    const grown = readFileSync(path);
    assert.ok(grown.length > before.length && grown.subarray(0, before.length).equals(before));
  });
});
