import type { Node, RangeVar, TypeName } from "libpg-query";

/** A statement of a migration, as PostgreSQL's own parser reads it. */
export interface Statement {
  readonly node: Node;
  /** Line on which it begins, from 1. */
  readonly line: number;
}

export class MigrationSyntaxError extends Error {
  override readonly name = "MigrationSyntaxError";
}

/** A migration's text, and what to call it. */
interface Named {
  readonly series: string;
  readonly file: string;
  readonly sql: string;
}

/**
 * Parses a migration. The parser (WebAssembly) is loaded by the first call, because only who makes a release needs it.
 * @throws MigrationSyntaxError naming file and line.
 */
export async function parseMigration({ series, file, sql }: Named): Promise<Statement[]> {
  const { parse, hasSqlDetails } = await import("libpg-query");
  if (sql.trim() === "") return [];
  const bytes = Buffer.from(sql);
  try {
    const { stmts = [] } = await parse(sql);
    return stmts.flatMap(({ stmt, stmt_location: at = 0 }) =>
      stmt === undefined ? [] : [{ node: stmt, line: lineOf(bytes, at) }],
    );
  } catch (error) {
    if (!hasSqlDetails(error)) throw error;
    const line = sql.slice(0, error.sqlDetails?.cursorPosition ?? 0).split("\n").length;
    throw new MigrationSyntaxError(`${series}/${file}:${line} ${error.message}`, { cause: error });
  }
}

/** The parser counts bytes, and lets a statement begin with the blanks and comments before it. */
function lineOf(sql: Buffer, at: number): number {
  const before = sql.subarray(0, at).toString();
  const blank = /^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*/.exec(sql.subarray(at).toString())?.[0] ?? "";
  return `${before}${blank}`.split("\n").length;
}

type NodeKind = Node extends infer One ? (One extends unknown ? keyof One : never) : never;
type NodeOf<Kind extends NodeKind> = Extract<Node, Readonly<Record<Kind, unknown>>>[Kind];

/** The node's content where it is of that kind. */
export function as<Kind extends NodeKind>(node: Node | undefined, kind: Kind): NodeOf<Kind> | undefined {
  return node === undefined ? undefined : (node as unknown as Partial<Record<Kind, NodeOf<Kind>>>)[kind];
}

/** The contents of those nodes of a list that are of that kind. */
export function allOf<Kind extends NodeKind>(nodes: readonly Node[] | undefined, kind: Kind): NodeOf<Kind>[] {
  return (nodes ?? []).flatMap((node) => as(node, kind) ?? []);
}

/** `cellplane.leases` → `["cellplane", "leases"]`; of names that PostgreSQL gives in parts. */
export function words(nodes: readonly Node[] | undefined): string[] {
  return allOf(nodes, "String").map(({ sval = "" }) => sval);
}

/** A table's name, without `public`. */
export function tableName(table: RangeVar | undefined): string {
  const { schemaname = "public", relname = "" } = table ?? {};
  return schemaname === "public" ? relname : `${schemaname}.${relname}`;
}

/** A type's own name: `pg_catalog.int4` → `int4`. */
export function typeName(type: TypeName | undefined): string {
  return words(type?.names).at(-1) ?? "";
}
