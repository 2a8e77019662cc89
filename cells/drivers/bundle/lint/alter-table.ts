import type { AlterTableCmd, AlterTableStmt, ColumnDef, Constraint, Node } from "libpg-query";
import { columnConstraints, isComputed, lintColumn, lintKey } from "./columns.ts";
import type { MigrationContext } from "./context.ts";
import { allOf, as, tableName, words } from "./statements.ts";

/** `ALTER TABLE`, command by command. */
export function lintAlterTable(context: MigrationContext, statement: AlterTableStmt): void {
  const table = tableName(statement.relation);
  for (const command of allOf(statement.cmds, "AlterTableCmd")) lintCommand(context, table, command);
}

function lintCommand(context: MigrationContext, table: string, command: AlterTableCmd): void {
  const inUse = context.inUse(table);
  switch (command.subtype) {
    case "AT_AddColumn":
      return lintAddColumn(context, table, as(command.def, "ColumnDef") ?? {});
    case "AT_AddConstraint":
      return lintAddConstraint(context, table, as(command.def, "Constraint") ?? {});
    case "AT_ValidateConstraint":
      return lintValidate(context, table, command.name ?? "");
    case "AT_SetNotNull":
      if (inUse && !context.memory.shown.has(`${table} ${command.name}`))
        context.refuse("not-null-scan", `${table} (${command.name})`);
      return;
    case "AT_AlterColumnType":
      if (inUse) context.refuse("type-rewrite", `${table} (${command.name})`);
      return;
    case "AT_SetExpression":
    case "AT_AddIdentity":
      return context.refuse("column-rewrite", `${table} (${command.name})`);
    case "AT_DropColumn":
    case "AT_DropConstraint":
    case "AT_DropIdentity":
    case "AT_DropExpression":
      if (context.isExpand && inUse) context.refuse("drop-in-expand", `${table} (${command.name})`);
      return;
    case "AT_SetAccessMethod":
    case "AT_SetTableSpace":
    case "AT_SetLogged":
    case "AT_ClusterOn":
      return context.refuse("table-rewrite", table);
    case "AT_SetUnLogged":
      return context.refuse("not-kept", table);
    // Cheap changes of the catalogue: a short lock, no scan.
    case "AT_ColumnDefault":
    case "AT_DropNotNull":
    case "AT_SetStatistics":
    case "AT_SetOptions":
    case "AT_ResetOptions":
    case "AT_SetStorage":
    case "AT_SetCompression":
    case "AT_SetRelOptions":
    case "AT_ResetRelOptions":
    case "AT_AlterConstraint":
      return;
    default:
      // Triggers, rules, policies, owners, inheritance, replica identity.
      if (!context.isKit) context.refuse("protection-touched", table);
  }
}

function lintAddColumn(context: MigrationContext, table: string, column: ColumnDef): void {
  const what = `${table} (${column.colname})`;
  if (!context.isExpand) context.refuse("expand-in-contract", what);
  lintColumn(context, table, column);
  const constraints = columnConstraints(column);
  for (const constraint of constraints) lintKey(context, table, constraint);
  if (!context.inUse(table)) return;
  const of = (...kinds: readonly Constraint["contype"][]): Constraint | undefined =>
    constraints.find(({ contype }) => kinds.includes(contype));
  const standard = of("CONSTR_DEFAULT")?.raw_expr;
  const generated = of("CONSTR_GENERATED");
  // A virtual column ("v") is computed when it is read.
  if (
    isComputed(standard) ||
    of("CONSTR_IDENTITY") !== undefined ||
    (generated !== undefined && generated.generated_kind !== "v")
  )
    context.refuse("column-rewrite", what);
  if (of("CONSTR_NOTNULL") !== undefined && standard === undefined && generated === undefined)
    context.refuse("column-needs-default", what);
  if (of("CONSTR_CHECK", "CONSTR_FOREIGN") !== undefined) context.refuse("constraint-scan", what);
  if (of("CONSTR_PRIMARY", "CONSTR_UNIQUE") !== undefined) context.refuse("index-blocks", what);
}

function lintAddConstraint(context: MigrationContext, table: string, constraint: Constraint): void {
  const name = `${table} ${constraint.conname}`;
  context.added.add(name);
  context.memory.checks.set(name, notNullColumn(constraint));
  lintKey(context, table, constraint);
  if (!context.inUse(table)) return;
  const what = `${table} (${constraint.conname ?? "constraint"})`;
  switch (constraint.contype) {
    case "CONSTR_PRIMARY":
    case "CONSTR_UNIQUE":
    case "CONSTR_EXCLUSION":
      if (constraint.indexname === undefined) context.refuse("index-blocks", what);
      break;
    default:
      if (constraint.skip_validation !== true) context.refuse("constraint-scan", what);
  }
}

function lintValidate(context: MigrationContext, table: string, constraint: string): void {
  const name = `${table} ${constraint}`;
  if (context.added.has(name) && context.inUse(table)) context.refuse("validated-at-once", `${table} (${constraint})`);
  const column = context.memory.checks.get(name);
  if (column !== undefined && column !== null) context.memory.shown.add(`${table} ${column}`);
}

/** The column of `CHECK (column IS NOT NULL)` or `NOT NULL column`; null for any other constraint. */
function notNullColumn(constraint: Constraint): string | null {
  if (constraint.contype === "CONSTR_NOTNULL") return words(constraint.keys)[0] ?? null;
  const test = as(constraint.raw_expr, "NullTest");
  return test?.nulltesttype === "IS_NOT_NULL" ? columnOf(test.arg) : null;
}

function columnOf(node: Node | undefined): string | null {
  return words(as(node, "ColumnRef")?.fields).at(-1) ?? null;
}
