import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { root } from "../../../scripts/lib/bootstrap.mjs";

// What the tools cannot be told: rules of the house about the text of the sources.

const parts = "{common,router,cells,control-plane,workflows,aggregator,dashboard,cli}";
const sources = globSync(`${parts}/**/*.{ts,tsx}`, {
  cwd: root,
  exclude: ["**/node_modules/**", "**/dist/**"],
}).toSorted();
const textOf = (path: string): string => readFileSync(join(root, path), "utf8");

/** A statement of SQL, in the capitals in which we write it, at the beginning of a string. */
const statement =
  /["'`]\s*(?:SELECT\s|INSERT INTO\s|UPDATE\s+[a-z_."$]+\s+SET\s|DELETE FROM\s|CREATE (?:TABLE|INDEX|ROLE|POLICY|FUNCTION)\s|ALTER (?:TABLE|ROLE)\s|WITH\s+[a-z_]+ AS\s)/i;

test("SQL stands in *.store.ts files and migrations, nowhere else", () => {
  const elsewhere = sources
    .filter(
      // The linters name statements in the fixes that they propose; they run none of them.
      (path) =>
        !path.endsWith(".store.ts") && !path.startsWith("common/postgres/") && !/\/(migrations|lint)\//.test(path),
    )
    .filter((path) => statement.test(textOf(path)));
  assert.deepEqual(elsewhere, []);
});

test("no source is longer than 400 lines", () => {
  const long = sources
    .map((path) => `${path} ${textOf(path).split("\n").length - 1}`)
    .filter((row) => Number(row.split(" ")[1]) > 400);
  assert.deepEqual(long, []);
});

test("no file is called index: a file's name says what is in it", () => {
  assert.deepEqual(
    sources.filter((path) => /(^|\/)index\.tsx?$/.test(path)),
    [],
  );
});
