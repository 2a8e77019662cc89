import type { CreateFunctionStmt, DropStmt, IndexStmt, Node, SelectStmt, VariableSetStmt, ViewStmt } from "libpg-query";
import { isConcurrent } from "../../../../common/contracts/release.ts";
import { lintAlterTable } from "./alter-table.ts";
import { lintCreateTable } from "./columns.ts";
import { MigrationContext, type MigrationText, type SeriesMemory } from "./context.ts";
import type { MigrationFinding } from "./rules.ts";
import { allOf, as, parseMigration, tableName, words } from "./statements.ts";

/**
 * Judges the migrations of a release without running them, each series in order.
 * @returns what the rules refuse, in the order of the text; empty where nothing is.
 * @throws MigrationSyntaxError for SQL that PostgreSQL's parser does not read; its message names file and line.
 */
export async function lintMigrations(migrations: readonly MigrationText[]): Promise<MigrationFinding[]> {
  const memories = new Map<string, SeriesMemory>();
  const findings: MigrationFinding[] = [];
  for (const migration of migrations) {
    const memory = memories.get(migration.series) ?? { checks: new Map(), shown: new Set() };
    memories.set(migration.series, memory);
    findings.push(...(await lintMigration(migration, memory)));
  }
  return findings;
}

async function lintMigration(migration: MigrationText, memory: SeriesMemory): Promise<MigrationFinding[]> {
  const context = new MigrationContext(migration, memory);
  const statements = await parseMigration(migration);
  for (const { node, line } of statements) {
    context.line = line;
    lintStatement(context, node);
  }
  context.line = 1;
  if (isConcurrent(migration) && (statements.length !== 1 || !isConcurrentStatement(statements[0]?.node)))
    context.refuse("concurrent-alone", `${statements.length} statements`);
  for (const table of context.declared)
    if (!context.isKit && !context.protected.has(table)) context.refuse("unprotected-table", table);
  return context.findings;
}

function isConcurrentStatement(node: Node | undefined): boolean {
  const index = as(node, "IndexStmt");
  if (index !== undefined) return index.concurrent === true && index.if_not_exists === true;
  const drop = as(node, "DropStmt");
  return drop?.concurrent === true && drop.missing_ok === true;
}

/** Kinds that are refused whatever they say. */
const refusedKinds = {
  TransactionStmt: "transaction-control",
  LockStmt: "lock-by-hand",
  TruncateStmt: "truncate",
  VacuumStmt: "table-rewrite",
  ClusterStmt: "table-rewrite",
  ReindexStmt: "table-rewrite",
  RefreshMatViewStmt: "table-rewrite",
  AlterSystemStmt: "setting",
} as const;

/** Kinds that are refused to an application. */
const refusedToApplications = {
  InsertStmt: "data-change",
  UpdateStmt: "data-change",
  DeleteStmt: "data-change",
  MergeStmt: "data-change",
  CopyStmt: "data-change",
  CallStmt: "data-change",
  DoStmt: "unreadable",
  CreateSeqStmt: "shared-counter",
  AlterSeqStmt: "shared-counter",
  CreatePolicyStmt: "protection-touched",
  AlterPolicyStmt: "protection-touched",
  AlterOwnerStmt: "protection-touched",
  AlterDefaultPrivilegesStmt: "protection-touched",
  GrantRoleStmt: "protection-touched",
  CreateRoleStmt: "protection-touched",
  AlterRoleStmt: "protection-touched",
  AlterRoleSetStmt: "protection-touched",
  RuleStmt: "protection-touched",
  CreateSchemaStmt: "kits-schema",
  AlterObjectSchemaStmt: "kits-schema",
} as const;

/** Kinds that nothing is to be said against. */
const accepted: ReadonlySet<string> = new Set([
  "CommentStmt",
  "CreateTrigStmt",
  "CreateEnumStmt",
  "AlterEnumStmt",
  "CreateDomainStmt",
  "CompositeTypeStmt",
  "CreateStatsStmt",
  "CreateRangeStmt",
]);

function lintStatement(context: MigrationContext, node: Node): void {
  const kind = Object.keys(node)[0] ?? "";
  const always = (refusedKinds as Readonly<Record<string, (typeof refusedKinds)[keyof typeof refusedKinds]>>)[kind];
  if (always !== undefined) return context.refuse(always, describe(kind));
  const applications = refusedToApplications as Readonly<
    Record<string, (typeof refusedToApplications)[keyof typeof refusedToApplications]>
  >;
  const theirs = applications[kind];
  if (theirs !== undefined) return context.isKit ? undefined : context.refuse(theirs, describe(kind));
  refuseOtherSchema(context, node);

  const table = as(node, "CreateStmt");
  if (table !== undefined) {
    if (!context.isExpand) context.refuse("expand-in-contract", tableName(table.relation));
    return lintCreateTable(context, table);
  }
  const alter = as(node, "AlterTableStmt");
  if (alter !== undefined) return lintAlterTable(context, alter);
  const index = as(node, "IndexStmt");
  if (index !== undefined) return lintIndex(context, index);
  const drop = as(node, "DropStmt");
  if (drop !== undefined) return lintDrop(context, drop);
  const rename = as(node, "RenameStmt");
  if (rename !== undefined) {
    if (context.isExpand) context.refuse("drop-in-expand", `rename to ${rename.newname}`);
    return;
  }
  const setting = as(node, "VariableSetStmt");
  if (setting !== undefined) return lintSetting(context, setting);
  const select = as(node, "SelectStmt");
  if (select !== undefined) return lintSelect(context, select);
  const made = as(node, "CreateFunctionStmt");
  if (made !== undefined) return lintFunction(context, made);
  const view = as(node, "ViewStmt");
  if (view !== undefined) return lintView(context, view);
  if (as(node, "CreateTableAsStmt") !== undefined) return context.refuse("acts-as-owner", "a table made of a query");
  if (as(node, "GrantStmt") !== undefined) return lintGrant(context, node);
  if (!accepted.has(kind) && !context.isKit) context.refuse("statement-unknown", describe(kind));
}

const describe = (kind: string): string =>
  kind
    .replace(/Stmt$/, "")
    .replace(/(?<=[a-z])(?=[A-Z])/g, " ")
    .toLowerCase();

function refuseOtherSchema(context: MigrationContext, node: Node): void {
  if (context.isKit) return;
  const content = Object.values(node)[0] as {
    relation?: { schemaname?: string };
    view?: { schemaname?: string };
    funcname?: Node[];
  };
  const schema = content.relation?.schemaname ?? content.view?.schemaname ?? words(content.funcname).at(-2);
  if (schema !== undefined && schema !== "public") context.refuse("kits-schema", `the schema ${schema}`);
}

function lintIndex(context: MigrationContext, index: IndexStmt): void {
  const what = `${tableName(index.relation)} (${index.idxname ?? "an index without a name"})`;
  if (!context.isExpand) context.refuse("expand-in-contract", what);
  const columns = allOf(index.indexParams, "IndexElem").map(({ name }) => name);
  if (index.unique === true && !context.isKit && !columns.includes("tenant_id"))
    context.refuse("key-without-tenant", what);
  if (index.concurrent === true) {
    if (!isConcurrent(context.migration) || index.idxname === undefined) context.refuse("concurrent-alone", what);
  } else if (context.inUse(tableName(index.relation))) context.refuse("index-blocks", what);
}

function lintDrop(context: MigrationContext, drop: DropStmt): void {
  const names = (drop.objects ?? []).map((object) => words(as(object, "List")?.items).join(".")).join(", ");
  const what = `drop ${names}`;
  const isProtection =
    drop.removeType === "OBJECT_POLICY" || (drop.removeType === "OBJECT_TRIGGER" && /cellplane_/.test(names));
  if (isProtection && !context.isKit) return context.refuse("protection-touched", what);
  if (drop.removeType !== "OBJECT_INDEX") {
    if (
      context.isExpand &&
      drop.removeType !== "OBJECT_TRIGGER" &&
      !(context.isKit && drop.removeType === "OBJECT_POLICY")
    )
      context.refuse("drop-in-expand", what);
    return;
  }
  // An index is no promise to anybody, but dropping it takes a lock that stops reads.
  if (drop.concurrent !== true || !isConcurrent(context.migration)) context.refuse("concurrent-alone", what);
}

const acceptedSettings: ReadonlySet<string> = new Set(["maintenance_work_mem", "check_function_bodies"]);

function lintSetting(context: MigrationContext, setting: VariableSetStmt): void {
  if (setting.is_local === true && acceptedSettings.has(setting.name ?? "")) return;
  context.refuse("setting", setting.name ?? "all settings");
}

/** Of an application only `SELECT cellplane.protect_table('name')`. */
function lintSelect(context: MigrationContext, select: SelectStmt): void {
  const calls = allOf(select.targetList, "ResTarget").map(({ val }) => as(val, "FuncCall"));
  const isProtection = calls.every((call) => words(call?.funcname).join(".") === "cellplane.protect_table");
  for (const call of calls) {
    if (words(call?.funcname).at(-1) === "set_config") return context.refuse("setting", "set_config");
    const name = as(call?.args?.[0], "A_Const")?.sval?.sval;
    if (isProtection && name !== undefined) context.protected.add(name.replace(/^public\./, ""));
  }
  if (context.isKit || (isProtection && calls.length > 0 && select.fromClause === undefined)) return;
  context.refuse("data-change", "select");
}

function lintFunction(context: MigrationContext, made: CreateFunctionStmt): void {
  const isDefiner = allOf(made.options, "DefElem").some(
    ({ defname, arg }) => defname === "security" && as(arg, "Boolean")?.boolval === true,
  );
  if (isDefiner && !context.isKit) context.refuse("acts-as-owner", words(made.funcname).join("."));
}

function lintView(context: MigrationContext, view: ViewStmt): void {
  const invoker = allOf(view.options, "DefElem").find(({ defname }) => defname === "security_invoker");
  const value = as(invoker?.arg, "String")?.sval ?? String(as(invoker?.arg, "Integer")?.ival ?? "true");
  const isInvoker = invoker !== undefined && /^(?:true|on|yes|1)$/i.test(value);
  if (!isInvoker && !context.isKit) context.refuse("acts-as-owner", tableName(view.view));
  if (view.view?.relpersistence === "t") context.refuse("not-kept", tableName(view.view));
}

/** Beside what protect_table grants, the application's role may be given a view to read and a function to call. */
function lintGrant(context: MigrationContext, node: Node): void {
  if (context.isKit) return;
  const grant = as(node, "GrantStmt");
  const grantees = allOf(grant?.grantees, "RoleSpec").map(({ rolename }) => rolename);
  const rights = allOf(grant?.privileges, "AccessPriv").map(({ priv_name: name }) => name);
  const isPlain =
    grant?.is_grant === true &&
    grantees.every((name) => name === "cell_app") &&
    rights.length > 0 &&
    rights.every((name) => ["select", "execute", "usage"].includes(name ?? ""));
  if (!isPlain) context.refuse("protection-touched", "grant or revoke");
}
