import type { ColumnDef, Constraint, CreateStmt, Node } from "libpg-query";
import type { MigrationContext } from "./context.ts";
import { allOf, as, tableName, typeName, words } from "./statements.ts";

const counterTypes: ReadonlySet<string> = new Set([
  "serial",
  "bigserial",
  "smallserial",
  "serial2",
  "serial4",
  "serial8",
]);
const refusedTypes =
  /^(?:json|xml|point|line|lseg|box|path|polygon|circle|oid|xid|xid8|cid|tid|pg_lsn|pg_snapshot|txid_snapshot|reg.*)$/;

/** `CREATE TABLE`: what an application's table must be. */
export function lintCreateTable(context: MigrationContext, statement: CreateStmt): void {
  const table = tableName(statement.relation);
  context.declared.add(table);
  if (statement.if_not_exists !== true) context.made.add(table);
  if (context.isKit) return;
  if (statement.relation?.relpersistence !== "p") context.refuse("not-kept", table);
  const columns = allOf(statement.tableElts, "ColumnDef");
  const constraints = [
    ...allOf(statement.tableElts, "Constraint"),
    ...columns.flatMap((column) => columnConstraints(column)),
  ];
  for (const column of columns) lintColumn(context, table, column);
  for (const constraint of constraints) lintKey(context, table, constraint);
  const primary = constraints.find(({ contype }) => contype === "CONSTR_PRIMARY");
  if (primary === undefined && statement.partbound === undefined)
    context.refuse("key-without-tenant", `${table} (no primary key)`);
}

/** A column's own constraints, its name in place of the key that they leave out. */
export function columnConstraints(column: ColumnDef): Constraint[] {
  const key: Node[] = [{ String: { sval: column.colname ?? "" } }];
  return allOf(column.constraints, "Constraint").map((constraint) => ({
    ...constraint,
    keys: constraint.keys ?? key,
    fk_attrs: constraint.fk_attrs ?? key,
  }));
}

/** Types and counters, of a new table or a new column. */
export function lintColumn(context: MigrationContext, table: string, column: ColumnDef): void {
  if (context.isKit) return;
  const type = typeName(column.typeName);
  const what = `${table} (${column.colname} ${type})`;
  const isIdentity = allOf(column.constraints, "Constraint").some(({ contype }) => contype === "CONSTR_IDENTITY");
  if (counterTypes.has(type) || isIdentity) context.refuse("shared-counter", what);
  if (refusedTypes.test(type)) context.refuse("column-type", what);
}

/** Keys: each begins with the tenant, or holds it. */
export function lintKey(context: MigrationContext, table: string, constraint: Constraint): void {
  if (context.isKit) return;
  const keys = words(constraint.keys);
  const refuse = (kind: string): void => context.refuse("key-without-tenant", `${table} (${kind})`);
  switch (constraint.contype) {
    case "CONSTR_PRIMARY":
      // One that takes over an index is judged when it runs.
      if (constraint.indexname === undefined && keys[0] !== "tenant_id") refuse("primary key");
      break;
    case "CONSTR_UNIQUE":
      if (constraint.indexname === undefined && !keys.includes("tenant_id")) refuse("unique key");
      break;
    case "CONSTR_FOREIGN": {
      const here = words(constraint.fk_attrs).indexOf("tenant_id");
      const there = words(constraint.pk_attrs);
      // Without columns it points at the primary key, which begins with the tenant.
      if (here === -1 || (there.length > 0 ? there[here] !== "tenant_id" : here !== 0)) refuse("foreign key");
      break;
    }
    default:
  }
}

/** Functions whose value is the same for all rows of a statement. */
const stable: ReadonlySet<string> = new Set(["now", "transaction_timestamp", "statement_timestamp", "tenant"]);

/** Whether a default must be computed for each row: then adding the column rewrites the table. */
export function isComputed(expression: Node | undefined): boolean {
  if (expression === undefined) return false;
  const call = as(expression, "FuncCall");
  if (call !== undefined) return !stable.has(words(call.funcname).at(-1) ?? "") || (call.args ?? []).some(isComputed);
  const cast = as(expression, "TypeCast");
  if (cast !== undefined) return isComputed(cast.arg);
  const array = as(expression, "A_ArrayExpr");
  if (array !== undefined) return (array.elements ?? []).some(isComputed);
  return as(expression, "A_Const") === undefined && as(expression, "SQLValueFunction") === undefined;
}
