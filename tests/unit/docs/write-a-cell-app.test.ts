import assert from "node:assert/strict";
import { globSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, test } from "node:test";
import { newApp } from "../../../cli/actions/app.ts";
import type { Context } from "../../../cli/context.ts";
import { lintMigrations } from "../../../cells/drivers/bundle/lint/lint.ts";
import { parseMigrationFile } from "../../../common/contracts/release.ts";
import { root } from "../../../scripts/lib/bootstrap.mjs";
import { changed, readGuide } from "../../support/guide.ts";

const example = join(root, "examples/notes");
const files = globSync("**/*.{ts,sql}", { cwd: example }).toSorted();
const guide = readGuide();
const folder = mkdtempSync(join(tmpdir(), "cellplane-app-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("the guide's code is the example's, file by file", () => {
  for (const file of files) assert.equal(guide.files.get(file), readFileSync(join(example, file), "utf8"), file);
  const others = [...guide.files.keys()].filter((file) => !files.includes(file));
  assert.deepEqual(others.toSorted(), ["migrations/0002-pinned.expand.sql", "notes.test.ts"]);
});

test("the example is shorter than 150 lines", () => {
  const lines = files.map((file) => readFileSync(join(example, file), "utf8").split("\n").length - 1);
  assert.ok(lines.reduce((sum, count) => sum + count, 0) < 150);
});

test("the guide's second release changes what the first one has, and its migrations are accepted", async () => {
  const texts = new Map(guide.files);
  for (const change of guide.changes) texts.set(change.file, changed(texts.get(change.file) ?? "", change));
  assert.match(texts.get("app.ts") ?? "", /needs: 2/);
  const migrations = [...texts]
    .filter(([file]) => file.endsWith(".sql"))
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
  const judged = migrations.map(([path, sql]) => {
    const parsed = parseMigrationFile(basename(path));
    assert.ok(parsed !== null, path);
    return { series: "app" as const, file: basename(path), class: parsed.class, sql };
  });
  assert.deepEqual(await lintMigrations(judged), []);
});

const nowhere = {} as Context;

test("app new writes the example under the application's own name, with what an editor needs", async () => {
  const answer = await newApp(nowhere, { folder: join(folder, "corner-shop") });
  const made = answer.json as { readonly name: string; readonly folder: string; readonly files: readonly string[] };
  assert.equal(made.name, "corner-shop");
  const sources = made.files.filter((file) => /\.(?:ts|sql)$/.test(file));
  assert.deepEqual(sources, files);
  const app = readFileSync(join(made.folder, "app.ts"), "utf8");
  assert.match(app, /defineCellApp\(\{\n {2}name: "corner-shop",/);
  assert.equal(app.replace('name: "corner-shop"', 'name: "notes"'), guide.files.get("app.ts"));
  assert.equal(realpathSync(join(made.folder, "node_modules/cellplane")), realpathSync(root));
  // As Node finds it: the kit through the link, by its name.
  const { default: loaded } = (await import(join(made.folder, "app.ts"))) as {
    default: { name: string; jobs: unknown[] };
  };
  assert.deepEqual([loaded.name, loaded.jobs.length], ["corner-shop", 1]);
});

test("app new leaves a folder alone that holds something, and refuses a name that cannot be one", async () => {
  writeFileSync(join(folder, "file"), "");
  for (const taken of [folder, join(folder, "corner-shop"), join(folder, "file")])
    await assert.rejects(newApp(nowhere, { folder: taken, name: "a" }), { code: "folder-not-empty" }, taken);
  await assert.rejects(newApp(nowhere, { folder: join(folder, "My Shop") }), { code: "bad-name" });
});
