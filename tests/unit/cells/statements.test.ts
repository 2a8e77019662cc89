import assert from "node:assert/strict";
import test from "node:test";
import { StatementNames } from "../../../cells/kit/statements.ts";

test("an INSERT of values is planned once, whatever it returns", () => {
  const names = new StatementNames();
  const text = "INSERT INTO notes (board, body) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id";
  const name = names.nameOf(text, false);
  assert.ok(name !== undefined);
  assert.equal(names.nameOf(text, false), name);
});

test("another statement is planned each time, unless its author says that one plan fits all", () => {
  const names = new StatementNames();
  assert.equal(names.nameOf("SELECT id FROM notes WHERE at > $1", false), undefined);
  assert.equal(names.nameOf("INSERT INTO notes (id) SELECT id FROM drafts", false), undefined);
  assert.ok(names.nameOf("SELECT id FROM notes WHERE id = $1", true) !== undefined);
});

test("what lists all columns is never kept: a migration may add one", () => {
  const names = new StatementNames();
  for (const text of [
    "SELECT * FROM notes WHERE id = $1",
    "SELECT n.* FROM notes n WHERE id = $1",
    "SELECT id, n . * FROM notes n",
    "INSERT INTO notes (id) VALUES ($1) RETURNING *",
  ])
    assert.equal(names.nameOf(text, true), undefined, text);
  assert.ok(names.nameOf("SELECT count(*) FROM notes WHERE board = $1", true) !== undefined);
});

test("an application that makes up its statements fills no memory", () => {
  const names = new StatementNames();
  const named = Array.from({ length: 1_000 }, (_, n) => names.nameOf(`SELECT ${n}`, true)).filter(
    (name) => name !== undefined,
  );
  assert.equal(named.length, 200);
  assert.equal(new Set(named).size, 200);
});
