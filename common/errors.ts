import type { Problem } from "./contracts/problem.ts";

/** One row of a part's table of errors. `todo` tells the reader what can be done about it. */
export interface ErrorDefinition {
  readonly status: number;
  readonly title: string;
  readonly todo: string;
}
export type ErrorTable = Readonly<Record<string, ErrorDefinition>>;

/**
 * An error that the part's table names. It knows no transport; `toProblem` maps it at the edge.
 * `detail` is safe to show; the cause is for the log alone.
 */
export class CellplaneError extends Error {
  readonly code: string;
  readonly definition: ErrorDefinition;
  /** Further members of the problem document, e.g. `retryAfterSeconds`. */
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(
    code: string,
    definition: ErrorDefinition,
    detail: string,
    options: { cause?: unknown; extra?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "CellplaneError";
    this.code = code;
    this.definition = definition;
    this.extra = options.extra ?? {};
  }

  get status(): number {
    return this.definition.status;
  }
}

/**
 * Makes a part's error constructors from its table: `const fail = errorsOf(table); throw fail("unknown-tenant", "…")`.
 * A code that is not in the table does not compile.
 */
export function errorsOf<Table extends ErrorTable>(table: Table) {
  return (
    code: keyof Table & string,
    detail: string,
    options: { cause?: unknown; extra?: Readonly<Record<string, unknown>> } = {},
  ): CellplaneError => {
    const definition = table[code];
    if (definition === undefined) throw new TypeError(`no such error: ${code}`);
    return new CellplaneError(code, definition, detail, options);
  };
}

/** The problem document (RFC 9457) of an error: what happened, why, what to do. */
export function toProblem(error: CellplaneError, requestId?: string): Problem {
  return {
    ...error.extra,
    type: `https://cellplane.dev/errors#${error.code}`,
    title: error.definition.title,
    status: error.definition.status,
    code: error.code,
    detail: error.message,
    todo: error.definition.todo,
    ...(requestId === undefined ? {} : { requestId }),
  };
}
