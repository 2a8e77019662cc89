/** Distinct statements that a process gives a name; each takes some 10 kB in every connection. Those beyond are planned each time. */
const mostNamed = 200;

/** An INSERT of given values has one plan, whoever the tenant is. */
const insertsValues = /^\s*INSERT\s+INTO\s+[\w."]+\s*\([^()]*\)\s*VALUES\b/i;

/**
 * Names under which a connection parses and plans a statement once (prepared statements). Only for statements with one sensible plan: a
 * plan that is kept was made for the tenant who came first, and small tenants and large ones may want different ones.
 */
export class StatementNames {
  readonly #names = new Map<string, string>();

  /** The statement's name, undefined where it is to be planned each time. */
  nameOf(text: string, onePlan: boolean): string | undefined {
    const known = this.#names.get(text);
    if (known !== undefined) return known;
    if (this.#names.size >= mostNamed || !(onePlan || insertsValues.test(text)) || listsAllColumns(text))
      return undefined;
    const name = `kit_${this.#names.size + 1}`;
    this.#names.set(text, name);
    return name;
  }
}

/** A column that a migration adds would change what a kept statement with `*` answers, and PostgreSQL refuses that. */
function listsAllColumns(text: string): boolean {
  return /(?:\bSELECT\s+|\bRETURNING\s+|[,.]\s*)\*/i.test(text);
}
