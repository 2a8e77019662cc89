import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { rangeProblems } from "../../../cells/kit/cell-state.ts";
import { planMigrations, type LoadedMigration } from "../../../cells/kit/migrations.ts";
import { parseMigrationFile, type MigrationClass } from "../../../common/contracts/release.ts";

const migration = (number: number, kind: MigrationClass = "expand", digest = `d${number}`): LoadedMigration => ({
  series: "app",
  number,
  name: `m${number}`,
  class: kind,
  digest,
  sql: "",
});
const applied = (...numbers: number[]) =>
  numbers.map((number) => ({ series: "app" as const, number, digest: `d${number}` }));
const only = new Set<MigrationClass>();

test("what is missing is planned, in order; what is applied is left", () => {
  const plan = planMigrations([migration(1), migration(2), migration(3)], applied(1), only);
  assert.deepEqual(
    plan.map(({ number }) => number),
    [2, 3],
  );
});

test("an older release finds nothing to do on a newer schema", () => {
  assert.deepEqual(planMigrations([migration(1)], applied(1, 2, 3), only), []);
});

test("a changed digest, a number filled in afterwards, and a class not asked for are refused", () => {
  assert.throws(() => planMigrations([migration(1, "expand", "other")], applied(1), only), /other content/);
  assert.throws(() => planMigrations([migration(1), migration(2)], applied(1, 3), only), /before what is applied/);
  assert.throws(() => planMigrations([migration(1), migration(2, "contract")], applied(1), only), /not asked for/);
  assert.equal(planMigrations([migration(1), migration(2, "contract")], applied(1), new Set(["contract"])).length, 1);
});

test("a release runs from what it needs up to the first contract or irreversible migration after it", () => {
  const schema = (...classes: MigrationClass[]) =>
    classes.map((kind, index) => ({ series: "app" as const, number: index + 1, class: kind }));
  assert.deepEqual(rangeProblems("app", schema("expand", "expand", "expand"), 1), []);
  assert.deepEqual(rangeProblems("app", schema("expand", "contract"), 2), []);
  assert.match(rangeProblems("app", schema("expand"), 2)[0] ?? "", /^schema-too-old/);
  assert.match(rangeProblems("app", schema("expand", "expand", "irreversible"), 2)[0] ?? "", /^schema-too-new/);
});

test("a migration's name says number, name and class, and nothing else passes", () => {
  assert.deepEqual(parseMigrationFile("0012-add-source.expand.sql"), {
    number: 12,
    name: "add-source",
    class: "expand",
  });
  for (const name of [
    "12-a.expand.sql",
    "0000-a.expand.sql",
    "0001-a.sql",
    "0001-a.destroy.sql",
    "0001-A.expand.sql",
    "README.md",
  ]) {
    assert.equal(parseMigrationFile(name), null, name);
  }
});

test("the examples carry Pulse's earlier migrations byte for byte", async () => {
  const root = resolve(import.meta.dirname, "../../..");
  const series = ["cells/pulse", "examples/pulse-2", "examples/pulse-3-bad"];
  for (const [index, folder] of series.entries()) {
    for (const later of series.slice(index + 1)) {
      for (const file of await readdir(join(root, folder, "migrations"))) {
        const [old, copy] = await Promise.all(
          [folder, later].map((place) => readFile(join(root, place, "migrations", file), "utf8")),
        );
        assert.equal(copy, old, `${later}/migrations/${file}`);
      }
    }
  }
});
