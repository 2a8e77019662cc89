import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { CellLife, TenantLoss } from "../../common/contracts/restores.ts";
import { TestFleet, eventually, type DemoTenant } from "../support/fleet.ts";
import { Ledger } from "../support/ledger.ts";

type Tenant = Pick<DemoTenant, "slug" | "host" | "key" | "cell">;

describe("backup and restore by the command line", () => {
  let fleet: TestFleet;
  let tenants: Tenant[];
  let port: number;

  before(async () => {
    fleet = await TestFleet.start(["--no-demo", "--cells", "2"]);
    tenants = [];
    for (const slug of ["ada", "bob", "cyd", "dee"])
      tenants.push(await fleet.json<Tenant>(["tenant", "create", slug, "--tier", "pro"]));
    port = await fleet.routerPort();
  });
  after(async () => {
    await fleet?.remove();
  });

  it("fault 9: a cell is restored while all others are served, and no acknowledged write that was archived is gone", async () => {
    const first = tenants[0] ?? assert.fail("there is a tenant");
    const { cell } = first;
    const ledger = new Ledger(port, tenants);
    ledger.start(40);
    const backup = await fleet.json<{ id: string; verified: { rows: number } | null }>(["backup", "create", cell]);
    assert.notEqual(backup.verified, null);
    await sleep(1_000);
    await ledger.stop();

    const drill = await fleet.json<{
      passed: boolean;
      drills: { rtoSeconds: number; rpoSeconds: number; rows: number }[];
    }>(["drill", "restore", "--cell", cell]);
    assert.equal(drill.passed, true);
    assert.ok((drill.drills[0]?.rtoSeconds ?? 0) > 0);

    ledger.start(20);
    const wish = ["cell", "restore", cell, "--reason", "a drill of the real thing"];
    const restored = await fleet.json<{ incarnation: string; reported: boolean; tenants: TenantLoss[] }>(wish);
    assert.equal(restored.reported, true);
    await eventually("the registry has confirmed it", 60_000, async () => {
      const { lives } = await fleet.json<{ lives: CellLife[] }>(["cell", "lives", cell]);
      return lives.find(({ incarnation }) => incarnation === restored.incarnation)?.confirmedAt ?? null;
    });
    await eventually("its tenants are served again", 60_000, async () => {
      const answer = await ledger.get(first, "/v1/stats").catch(() => null);
      return answer?.status === 200 ? true : null;
    });
    await ledger.stop();
    const others = new Set(tenants.filter((tenant) => tenant.cell !== cell).map(({ slug }) => slug));
    assert.deepEqual(ledger.failuresOf(others), []);
    for (const { slug, lostRows } of restored.tenants) assert.equal(lostRows, 0, `${slug} lost nothing`);
    await ledger.check();
    ledger.close();
    assert.equal((await fleet.json<{ epoch: number }>(["tenant", "show", first.slug])).epoch, 2);
  });

  it("fault 9: one tenant is put back to a moment", async () => {
    const first = tenants[0] ?? assert.fail("there is a tenant");
    await fleet.json(["backup", "create", first.cell]);
    const before = await fleet.json<{ epoch: number }>(["tenant", "show", first.slug]);
    const moment = new Date().toISOString();
    const wish = ["tenant", "restore", first.slug, "--to", moment, "--reason", "they asked for it"];
    const restored = await fleet.json<{ tenant: { epoch: number }; pauseMs: number }>(wish);
    assert.equal(restored.tenant.epoch, before.epoch + 1);
    const ledger = new Ledger(port, [first]);
    assert.equal((await ledger.get(first, "/v1/stats")).status, 200);
    ledger.close();
    assert.equal((await fleet.cli("tenant", "restore", first.slug, "--to", "yesterday", "--reason", "x")).code, 2);
  });

  it("fault 9: one tenant goes on in another cell as it was at a moment, by the same host and key", async () => {
    const first = tenants[0] ?? assert.fail("there is a tenant");
    const { cell, epoch } = await fleet.json<{ cell: string; epoch: number }>(["tenant", "show", first.slug]);
    const into = cell === "cell-1" ? "cell-2" : "cell-1";
    const moment = new Date().toISOString();
    const wish = ["tenant", "restore", first.slug, "--to", moment, "--into", into, "--reason", "its cell is too small"];
    const restored = await fleet.json<{ tenant: { cell: string; epoch: number } }>(wish);
    assert.deepEqual([restored.tenant.cell, restored.tenant.epoch], [into, epoch + 1]);
    const ledger = new Ledger(port, [first]);
    await eventually("it is served there", 60_000, async () => {
      const answer = await ledger.get(first, "/v1/stats").catch(() => null);
      return answer?.status === 200 ? true : null;
    });
    ledger.close();
    const both = await fleet.cli(
      "tenant",
      "restore",
      first.slug,
      "--to",
      moment,
      "--into",
      cell,
      "--as",
      "x",
      "--reason",
      "x",
    );
    assert.equal(both.code, 2);
  });

  it("a restore is refused while another operation holds the cell, which is named", async () => {
    const { cell } = tenants[0] ?? assert.fail("there is a tenant");
    const held = await plane<{ operation: string }>("/v1/claims", { kind: "backup", cells: [{ cell, seen: 0 }] });
    const refused = await fleet.json<{ code: string; detail: string }>(["cell", "restore", cell, "--reason", "now"], 1);
    assert.equal(refused.code, "claim-taken");
    assert.match(
      refused.detail,
      new RegExp(`${cell} is held by a backup \\(operation ${held.operation}\\) that operator asked for`),
    );
    await plane(`/v1/claims/${held.operation}/end`, {});
  });

  it("a direct restore with the control plane dead stands in the audit with its reason once that is back", async () => {
    // Where the first tenant was at first: that cell has backups.
    const { cell } = tenants[0] ?? assert.fail("there is a tenant");
    await fleet.json(["process", "stop", "control-plane"]);
    const reason = "the disk died while nobody was there";
    const wish = ["cell", "restore", cell, "--direct", "--reason", reason];
    const restored = await fleet.json<{ reported: boolean; incarnation: string }>(wish);
    assert.equal(restored.reported, false);
    await fleet.json(["process", "start", "control-plane"]);
    const told = await eventually("the audit has heard of it", 60_000, async () => {
      await fleet.cli("tenant", "list");
      const { entries } = await plane<{ entries: { action: string; reason: string | null }[] }>("/v1/audit?limit=100");
      return entries.find(({ reason: why }) => why?.endsWith(`: ${reason}`) === true) ?? null;
    });
    assert.equal(told.action, "cell.restore");
    await eventually("the registry has confirmed it", 60_000, async () => {
      const { lives } = await fleet.json<{ lives: CellLife[] }>(["cell", "lives", cell]);
      return lives.find(({ incarnation }) => incarnation === restored.incarnation)?.confirmedAt ?? null;
    });
  });

  /** The control plane's API, as the operator of this machine. */
  async function plane<Document>(path: string, body?: unknown): Promise<Document> {
    const { controlPlane } = await fleet.status();
    const token = (await readFile(join(fleet.home, "secrets/operator-token"), "utf8")).trim();
    const response = await fetch(new URL(path, controlPlane.url ?? assert.fail("it has an address")), {
      method: body === undefined ? "GET" : "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer: unknown = await response.json();
    assert.equal(response.status, 200, JSON.stringify(answer));
    return answer as Document;
  }
});
