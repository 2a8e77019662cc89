import assert from "node:assert/strict";
import { test } from "node:test";
import { databaseStatements, setUpStatements } from "../../../cells/drivers/local/postgres.store.ts";

const password = "sixteen-or-more-characters";

test("a new server's roles can do nothing beyond their databases", () => {
  const statements = setUpStatements({
    superuserPassword: password,
    roles: [{ name: "cell_owner", password }],
    databases: [{ name: "cell", owner: "cell_owner", guests: [] }],
  });
  const role = statements.find((statement) => statement.startsWith("CREATE ROLE cell_owner"));
  assert.match(role ?? "", /NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION$/);
  assert.ok(statements.includes("REVOKE ALL ON DATABASE cell FROM PUBLIC"));
  // Single-user mode takes each line as a statement.
  assert.ok(statements.every((statement) => !statement.includes("\n")));
});

test("the role of applications' statements may not call what SET does", () => {
  const plan = { superuserPassword: password, databases: [] };
  const settings = "EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean)";
  const roles = [
    { name: "cell_owner", password },
    { name: "cell_app", password, confined: true },
    { name: "cell_system", password },
  ];
  const statements = setUpStatements({ ...plan, roles });
  assert.ok(statements.includes(`REVOKE ${settings} FROM PUBLIC`));
  assert.ok(statements.includes(`GRANT ${settings} TO cell_owner, cell_system`));
  const open = setUpStatements({ ...plan, roles: [{ name: "registry", password }] });
  assert.ok(open.every((statement) => !statement.includes("set_config")));
});

test("a name or password that would need quoting is refused", () => {
  assert.throws(() => databaseStatements({ name: 'x"; DROP', owner: "cell_owner", guests: [] }), TypeError);
  assert.throws(
    () => setUpStatements({ superuserPassword: "it's sixteen long at least", roles: [], databases: [] }),
    TypeError,
  );
  assert.throws(() => setUpStatements({ superuserPassword: "short", roles: [], databases: [] }), TypeError);
});
