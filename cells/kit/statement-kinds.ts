// A tenant's transaction is begun, bound to the tenant and ended by the kit. What an application may run inside it is data statements: one of `SET`,
// `COMMIT`, `BEGIN`, `DO` would change whose transaction it is, and what a connection says to the next tenant. Since each message holds one statement
// (extended protocol), its first word tells its kind.

const kinds = new Set([
  "select",
  "insert",
  "update",
  "delete",
  "merge",
  "with",
  "values",
  "table",
  "explain",
  "declare",
  "fetch",
  "close",
  "savepoint",
  "release",
]);

const toSavepoint = /^rollback\s+(?:work\s+|transaction\s+)?to\b/i;
/** The one function that does what `SET` does. Where the cluster's owner could, it is also revoked from the application's role. */
const setting = /set_config/i;

/**
 * Refuses what is not a data statement.
 * @throws Error for the log and the developer: the request answers 500.
 */
export function refuseUnlessData(text: string): void {
  const statement = text.slice(headEnd(text));
  const kind = /^[a-z]+/i.exec(statement)?.[0].toLowerCase();
  const known = kind !== undefined && (kinds.has(kind) || toSavepoint.test(statement));
  if (known && !setting.test(text)) return;
  throw new Error(
    `a tenant's transaction runs data statements only (SELECT, INSERT, UPDATE, DELETE, MERGE, savepoints), not: ${text.slice(0, 80)}`,
  );
}

/** Where white space, brackets and comments before the first word end. PostgreSQL's comments nest; read otherwise, one could hide a word in another. */
function headEnd(text: string): number {
  let at = 0;
  for (;;) {
    const blank = /^[\s(]*/.exec(text.slice(at));
    at += blank?.[0].length ?? 0;
    if (text.startsWith("--", at)) {
      const line = text.indexOf("\n", at);
      at = line === -1 ? text.length : line + 1;
    } else if (text.startsWith("/*", at)) {
      at = commentEnd(text, at);
    } else {
      return at;
    }
  }
}

function commentEnd(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text.startsWith("/*", at)) {
      depth += 1;
      at += 1;
    } else if (text.startsWith("*/", at)) {
      depth -= 1;
      at += 1;
      if (depth === 0) return at + 1;
    }
  }
  return text.length;
}
