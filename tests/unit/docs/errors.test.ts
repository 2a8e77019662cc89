import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { toProblem } from "../../../common/errors.ts";
import { httpError } from "../../../common/http/errors.ts";
import { ambiguous, errorPage, type ListedError, listedErrors } from "../../../scripts/docs/error-page.ts";
import { root } from "../../../scripts/lib/bootstrap.mjs";

const rows = await listedErrors();

function row(values: Partial<ListedError>): ListedError {
  const base = {
    code: "tea-cold",
    status: 503,
    title: "The tea is cold",
    todo: "Wait.",
    owner: "kettle",
    path: "kettle/errors.ts",
  };
  return { ...base, ...values };
}

test("every part's table is in the list", () => {
  const owners = new Set(rows.map(({ path }) => path.split("/")[0]));
  for (const part of ["aggregator", "cells", "cli", "common", "control-plane", "router", "workflows"])
    assert.ok(owners.has(part), part);
});

test("one code means one thing in all of Cellplane", () => {
  assert.deepEqual(ambiguous(rows), []);
});

test("a code with two statuses or two titles is ambiguous; another advice alone is not", () => {
  const other = { path: "pot/errors.ts", owner: "pot" };
  assert.deepEqual(ambiguous([row({}), row({ ...other, todo: "Heat it." })]), []);
  const said = 'tea-cold: kettle/errors.ts says 503 "The tea is cold", pot/errors.ts says 409 "The tea is cold"';
  assert.deepEqual(ambiguous([row({}), row({ ...other, status: 409 })]), [said]);
  assert.equal(ambiguous([row({}), row({ ...other, title: "The tea is not warm" })]).length, 1);
  assert.throws(() => errorPage([row({}), row({ ...other, status: 409 })]), {
    message: `one code, several meanings:\n${said}`,
  });
});

test("the fragment of a problem's type is a heading of the page", () => {
  const page = errorPage(rows);
  const headings: readonly string[] = page.match(/(?<=^### ).+$/gm) ?? [];
  assert.deepEqual(headings, [...new Set(rows.map(({ code }) => code))].toSorted());
  const { type } = toProblem(httpError("not-found", "Nothing."));
  assert.ok(headings.includes(new URL(type).hash.slice(1)));
});

test("every row is fit to be read: a code in kebab-case, a status of an error, a title, a full sentence of advice", () => {
  for (const { code, status, title, todo, path } of rows) {
    const name = `${code} of ${path}`;
    assert.match(code, /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, name);
    assert.ok(Number.isInteger(status) && status >= 400 && status <= 599, name);
    assert.match(title, /^[A-Z].*[^.]$/, name);
    assert.match(todo, /^[A-Z`].*[.]$/s, name);
  }
});

test("a page for two parts gives each its own advice", () => {
  const page = errorPage([row({}), row({ owner: "pot", path: "pot/errors.ts", todo: "Heat it." })]);
  assert.ok(
    page.includes("### tea-cold\n\n**503 The tea is cold** (kettle, pot)\n\n- kettle: Wait.\n- pot: Heat it.\n"),
  );
});

test("every code is answered somewhere: a row that nobody uses misleads its reader", () => {
  const sources = globSync("{common,router,cells,control-plane,workflows,aggregator,cli,scripts}/**/*.{ts,mjs}", {
    cwd: root,
  })
    .filter((path) => !path.startsWith("scripts/docs/"))
    .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
  const unused = rows.filter(({ code, path: table }) => {
    const row = new RegExp(`^ *"?${code}"?:`, "m");
    return !sources.some(({ path, text }) => (path === table ? text.replace(row, "") : text).includes(`"${code}"`));
  });
  assert.deepEqual(
    unused.map(({ code, path }) => `${code} of ${path}`),
    [],
  );
});
