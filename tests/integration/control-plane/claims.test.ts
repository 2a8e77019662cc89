import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import test, { after, before } from "node:test";
import type { HeldCells } from "../../../common/contracts/claims.ts";
import type { Rollout } from "../../../common/contracts/rollout.ts";
import { cellId } from "../../../common/ids.ts";
import { claimPartners } from "../../../control-plane/registry/lives.store.ts";
import { createRegistry, type Registry } from "../../../control-plane/registry/registry.ts";
import { freePort } from "../../support/ports.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import {
  manifestOf,
  startTestCell,
  startTestPlane,
  uploadRelease,
  type Answer,
  type TestCell,
  type TestPlane,
} from "./support.ts";

const [one, two] = [cellId("cell-1"), cellId("cell-2")];
let postgres: TestPostgres;
let plane: TestPlane;
let registry: Registry;
let rollout: Rollout;
const cells: TestCell[] = [];

before(async () => {
  postgres = await startPostgres();
  plane = await startTestPlane(postgres, { temporal: `127.0.0.1:${await freePort()}` });
  registry = createRegistry(plane.context.pool);
  for (const name of ["pulse@1", "pulse@2"]) await uploadRelease(plane, manifestOf(name));
  for (const [id, region] of [
    [one, "eu"],
    [two, "us"],
  ] as const) {
    const cell = await startTestCell(id, region, () => plane.key);
    cells.push(cell);
    await plane.call("POST", "/v1/cells", cell.registration);
  }
  rollout = (await plane.call("POST", "/v1/rollouts", { release: "pulse@2" })).body as unknown as Rollout;
});

after(async () => {
  await plane?.stop();
  await Promise.all(cells.map((cell) => cell.stop()));
  await postgres?.stop();
});

const claim = (kind: string, ids: readonly string[], seen = 0): Promise<Answer> =>
  plane.call("POST", "/v1/claims", { kind, cells: ids.map((cell) => ({ cell, seen })), reason: "because" });
async function held(answer: Promise<Answer>): Promise<HeldCells> {
  const { status, body } = await answer;
  assert.equal(status, 200, JSON.stringify(body));
  return body as unknown as HeldCells;
}
async function taken(answer: Promise<Answer>, by: RegExp): Promise<void> {
  const { status, body } = await answer;
  assert.deepEqual([status, body["code"]], [409, "claim-taken"]);
  assert.match(String(body["detail"]), by);
}
const end = ({ operation }: HeldCells): Promise<Answer> => plane.call("POST", `/v1/claims/${operation}/end`, {});

test("a restore and a rollout do not meet in a cell: each is refused while the other holds it, and told who does", async () => {
  const restore = await held(claim("cell-restore", [one]));
  await assert.rejects(registry.takeClaims(rollout.id, [one, two]), {
    code: "claim-taken",
    message: new RegExp(
      `cell-1 is held by a cell restore \\(operation ${restore.operation}\\) that operator asked for`,
    ),
  });
  await taken(claim("backup", [one]), /a cell restore/);
  await held(claim("backup", [two])).then(end);
  await end(restore);

  await registry.takeClaims(rollout.id, [one, two]);
  for (const kind of ["cell-restore", "tenant-restore", "backup"])
    await taken(
      claim(kind, [two]),
      new RegExp(`cell-2 is held by the rollout of pulse@2 \\(operation ${rollout.id}\\)`),
    );
  await registry.dropClaims(rollout.id);
});

test("backups and restores of tenants share a cell under one token, a few of them; who comes alone waits for all", async () => {
  const first = await held(claim("backup", [one]));
  const second = await held(claim("tenant-restore", [one, two]));
  const tokenOf = ({ claims }: HeldCells, cell: string) => claims.find((one) => one.cell === cell)?.token;
  assert.equal(tokenOf(second, one), tokenOf(first, one));
  assert.deepEqual(await claimPartners(plane.context.pool, one), [], "neither of them gives a tenant away");
  await taken(claim("cell-restore", [two]), /a tenant restore/);
  const more = [await held(claim("backup", [one])), await held(claim("backup", [one]))];
  await taken(claim("backup", [one]), /cell-1 is held by/);
  for (const each of [first, second, ...more]) await end(each);
  const alone = await held(claim("cell-restore", [one], 70));
  assert.equal(tokenOf(alone, one), 71, "what the cell itself has seen is outbid");
  await end(alone);
  assert.equal(tokenOf(await held(claim("backup", [one])), one), 72);
  const { rows } = await plane.context.pool.query<{ operation: string }>("SELECT operation FROM claims");
  for (const { operation } of rows) await plane.call("POST", `/v1/claims/${operation}/end`, {});
});

test("a command that is not heard of loses its cells, and learns that it has", async () => {
  const lost = await held(claim("cell-restore", [one]));
  const heard = async (): Promise<unknown> =>
    (await plane.call("POST", `/v1/claims/${lost.operation}/heard`, {})).body["held"];
  assert.equal(await heard(), true);
  const silent = "UPDATE command_operations SET heard_at = heard_at - interval '1 hour' WHERE operation = $1";
  await plane.context.pool.query(silent, [lost.operation]);
  assert.equal(await heard(), false);
  const next = await held(claim("cell-restore", [one]));
  assert.ok((next.claims[0]?.token ?? 0) > (lost.claims[0]?.token ?? 0), "what the dead one still says is outranked");
  await end(next);
  const unknown = await claim("backup", ["cell-9"]);
  assert.deepEqual([unknown.status, unknown.body["code"]], [404, "unknown-cell"]);
});

test("what was done directly while the control plane was dead stands in the audit with its reason, once", async () => {
  const deed = {
    id: randomUUID(),
    at: "2026-01-31T12:00:00.000Z",
    action: "cell.restore",
    target: "cell-1 to the newest state",
    reason: "the disk died at night",
    user: "nora",
  };
  assert.equal((await plane.call("POST", "/v1/audit/direct", deed)).body["news"], true);
  assert.equal((await plane.call("POST", "/v1/audit/direct", deed)).body["news"], false);
  const { entries } = (await plane.call("GET", "/v1/audit?limit=500")).body as {
    entries: { actor: string; action: string; target: string; reason: string | null }[];
  };
  const told = entries.filter(({ action }) => action === "cell.restore");
  assert.deepEqual(
    told.map(({ actor, target, reason }) => [actor, target, reason]),
    [["operator", deed.target, "done directly by nora at 2026-01-31T12:00:00.000Z: the disk died at night"]],
  );
  assert.equal((await plane.call("GET", "/v1/audit/verification")).body["intact"], true);
});
