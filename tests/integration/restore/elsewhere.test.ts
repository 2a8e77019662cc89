import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createBackup } from "../../../cells/drivers/local/backup/backups.ts";
import { bringTenant, type RestoredTenant } from "../../../cells/drivers/local/backup/restore-tenant.ts";
import { systemClock } from "../../../common/clock.ts";
import type { TenantRelocation } from "../../../common/contracts/restores.ts";
import { operationId, type CellId } from "../../../common/ids.ts";
import { claimPartners } from "../../../control-plane/registry/lives.store.ts";
import { createRegistry } from "../../../control-plane/registry/registry.ts";
import { uuidv7 } from "../../../common/uuid.ts";
import { until, type Answer } from "../cells/http-call.ts";
import { RestoreStage, cellOne, cellTwo } from "./stage.ts";

describe("restoring one tenant in another cell", () => {
  let stage: RestoreStage;
  let moment: Date;
  before(async () => {
    stage = await RestoreStage.open();
    for (const slug of ["acme", "globex", "hooli"]) await stage.createTenant(slug, cellOne);
    await createBackup(await stage.database(cellOne), means());
    for (const slug of ["acme", "globex", "hooli"]) await stage.write(slug, "kept", 4);
    moment = new Date();
    await sleep(50);
    for (const slug of ["acme", "hooli"]) await stage.write(slug, "regretted", 3);
  });
  after(() => stage?.close());

  const means = () => ({ supervisor: stage.supervisor, clock: systemClock });
  const relocate = (slug: string, into: CellId): Promise<Answer> =>
    stage.plane.call("POST", `/v1/tenants/${slug}/relocations`, {
      reason: "its cell is too small",
      until: moment.toISOString(),
      into,
      cells: [cellOne, cellTwo].map((cell) => ({ cell, seen: 0 })),
    }) as unknown as Promise<Answer>;
  async function opened(slug: string): Promise<TenantRelocation> {
    const { status, body } = await relocate(slug, cellTwo);
    assert.equal(status, 200, JSON.stringify(body));
    return body as unknown as TenantRelocation;
  }
  async function bring({ tenant, held, attempt, epoch }: TenantRelocation): Promise<RestoredTenant> {
    const step = { operation: held.operation, attempt, epoch };
    const [from, into] = [await stage.database(cellOne), await stage.database(cellTwo)];
    return bringTenant(from, into, means(), { tenant, until: moment, step });
  }
  const finish = (slug: string, { held }: TenantRelocation, how: "complete" | "abort") =>
    stage.plane.call("POST", `/v1/tenants/${slug}/relocations/${held.operation}/${how}`, {});
  async function refused(slug: string, into: CellId, code: string): Promise<void> {
    const { status, body } = await relocate(slug, into);
    assert.equal(body["code"], code, `${status} ${JSON.stringify(body)}`);
  }
  const leaseIn = async (cell: CellId, slug: string) =>
    (await stage.leases(cell)).find((lease) => lease.slug === slug && lease.state !== "released");
  const lapse = ({ held }: TenantRelocation) =>
    stage.plane.context.pool.query(
      "UPDATE command_operations SET heard_at = heard_at - interval '1 hour' WHERE operation = $1",
      [held.operation],
    );
  const room = async (cell: CellId): Promise<unknown> =>
    (await stage.plane.call("GET", `/v1/cells/${cell}`)).body["tenants"];
  const claims = async (): Promise<number> =>
    (await stage.plane.context.pool.query("SELECT FROM claims")).rowCount ?? Number.NaN;

  test("fault 9: its own cell gives it away by a release record, and it lives on in the other as it was, one epoch higher", async () => {
    const before = await stage.tenant("acme");
    const [globex, used] = [await stage.count("globex", "kept"), await room(cellTwo)];
    const relocation = await opened("acme");
    assert.deepEqual([relocation.source, relocation.epoch], [cellOne, before.epoch + 1]);
    await assert.rejects(createRegistry(stage.plane.context.pool).takeClaims(operationId(uuidv7()), [cellTwo]), {
      code: "claim-taken",
    });
    assert.deepEqual(await claimPartners(stage.plane.context.pool, cellOne), [cellTwo]);
    const restored = await bring(relocation);
    assert.equal(restored.tables.find(({ name }) => name === "public.notes")?.rows, 4);
    await stage.write("acme", "meanwhile", 1);
    assert.equal((await stage.request("acme", "/v1/cached?store=yes", { cell: cellTwo, epoch: 2 })).status, 421);

    const done = await finish("acme", relocation, "complete");
    assert.deepEqual([done.status, done.body["cell"], done.body["epoch"]], [200, cellTwo, before.epoch + 1]);
    const counts = async (cell: CellId) =>
      Promise.all(["kept", "regretted", "meanwhile"].map((note) => stage.count("acme", note, cell)));
    assert.deepEqual(await counts(cellTwo), [4, 0, 0], "as it was then, whatever came since");
    await stage.write("acme", "after", 2);
    const old = await stage.request("acme", "/v1/cached?store=yes", { cell: cellOne, epoch: before.epoch });
    assert.equal(old.status, 421);
    const word = old.headers.get("cellplane-release-record") ?? "";
    const record = JSON.parse(Buffer.from(word.split(".")[1] ?? "", "base64url").toString()) as object;
    assert.partialDeepStrictEqual(record, { from: cellOne, destination: cellTwo, epoch: before.epoch + 1 });
    assert.equal(await leaseIn(cellOne, "acme"), undefined, "I1");
    assert.equal(await stage.count("globex", "kept"), globex, "I8");
    assert.equal(await room(cellTwo), Number(used) + 1);
    assert.equal(await claims(), 0);
  });

  test("a wish that placement forbids is refused before anything is begun", async () => {
    await refused("hooli", cellOne, "relocation-refused");
    await stage.plane.call("PATCH", `/v1/cells/${cellTwo}`, { cordoned: true });
    await refused("hooli", cellTwo, "relocation-refused");
    await stage.plane.call("PATCH", `/v1/cells/${cellTwo}`, { cordoned: false });
    assert.equal(await claims(), 0);
    assert.equal(await leaseIn(cellTwo, "hooli"), undefined);
  });

  test("given up, the tenant stays as it was, and what was brought is never served", async () => {
    const used = await room(cellTwo);
    const relocation = await opened("hooli");
    await refused("hooli", cellTwo, "relocation-refused");
    await bring(relocation);
    const { body } = await finish("hooli", relocation, "abort");
    assert.deepEqual([body["cell"], body["epoch"]], [cellOne, 1]);
    assert.equal(await leaseIn(cellTwo, "hooli"), undefined);
    await assert.rejects(bring(relocation), { code: "restore-failed" });
    assert.equal((await finish("hooli", relocation, "complete")).body["code"], "unknown-operation");
    assert.equal(await room(cellTwo), used);
    await stage.write("hooli", "as ever", 1);
  });

  test("a command that died on the way is settled by the control plane: back before the release, forward after it", async () => {
    const left = await opened("hooli");
    await bring(left);
    await lapse(left);
    await until("it stays where it was", async () => (await claims()) === 0, 60_000);
    assert.equal(await leaseIn(cellTwo, "hooli"), undefined);
    await stage.write("hooli", "still here", 1);

    const released = await opened("hooli");
    await bring(released);
    const { tenant, attempt, held, epoch } = released;
    const call = async (cell: CellId, step: string, body: object): Promise<Record<string, unknown>> => {
      const answer = await stage.admin(cell, `/v1/leases/${tenant}/${step}`, { method: "POST", body });
      assert.equal(answer.status, 200, `${step}: ${JSON.stringify(answer.body)}`);
      return answer.body;
    };
    const by = { operation: held.operation, attempt };
    const { freeze } = await call(cellOne, "freeze", by);
    await call(cellTwo, "ready", { ...by, freeze });
    const addresses = (await stage.plane.call("GET", `/v1/cells/${cellTwo}`)).body["slots"];
    await call(cellOne, "release", { ...by, freeze, destination: cellTwo, addresses });
    await lapse(released);
    await until("it has arrived", async () => (await stage.tenant("hooli")).cell === cellTwo, 60_000);
    assert.equal((await stage.tenant("hooli")).epoch, epoch);
    assert.deepEqual([await stage.count("hooli", "kept"), await stage.count("hooli", "regretted")], [4, 0]);
    await stage.write("hooli", "arrived", 1);
    assert.equal(await claims(), 0);
  });

  test("the tenant of a cell that is dead or fenced is not taken from it: only the owner's word gives it away", async () => {
    await stage.driver.fence(cellOne);
    await refused("globex", cellTwo, "source-unreachable");
    assert.equal(await claims(), 0);
    assert.equal((await stage.tenant("globex")).cell, cellOne);
    assert.equal(await leaseIn(cellTwo, "globex"), undefined);
  });
});
