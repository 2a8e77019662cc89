import { sqlState } from "../../../common/postgres/pool.ts";

/** One error of a chain, outermost first. */
export interface ErrorLink {
  readonly name: string;
  readonly message: string;
  /** The error's own code, e.g. a SQLSTATE or `ECONNREFUSED`. */
  readonly code?: string;
  /** Where it was thrown: the first lines of the stack. */
  readonly stack?: readonly string[];
}

/** Enough to see a cause behind two layers of wrapping and a driver; a chain may also be a circle. */
const mostLinks = 8;
const mostMessageCharacters = 2_000;
const mostStackLines = 6;
const mostLineCharacters = 300;

/** An error with its causes as it is kept with a job: bounded, and plain JSON. Of an AggregateError the first error counts as the cause. */
export function errorChain(error: unknown): ErrorLink[] {
  const links: ErrorLink[] = [];
  const seen = new Set<unknown>();
  for (
    let at: unknown = error;
    at !== undefined && at !== null && links.length < mostLinks && !seen.has(at);
    at = next(at)
  ) {
    seen.add(at);
    links.push(linkOf(at));
  }
  return links;
}

/** Every error of a chain itself, for decisions; bounded like the chain. */
export function causesOf(error: unknown): unknown[] {
  const causes: unknown[] = [];
  for (let at: unknown = error; at instanceof Error && causes.length < mostLinks && !causes.includes(at); at = at.cause)
    causes.push(at);
  return causes;
}

function next(error: unknown): unknown {
  if (error instanceof AggregateError && error.cause === undefined) return error.errors[0] as unknown;
  return error instanceof Error ? error.cause : undefined;
}

function linkOf(error: unknown): ErrorLink {
  if (!(error instanceof Error)) return { name: typeof error, message: bounded(safely(error), mostMessageCharacters) };
  const code = sqlState(error) ?? (error as NodeJS.ErrnoException).code;
  const stack = (error.stack ?? "").split("\n").filter((line) => line.startsWith("    at "));
  return {
    name: bounded(error.name, mostLineCharacters),
    message: bounded(error.message, mostMessageCharacters),
    ...(typeof code === "string" ? { code: bounded(code, 40) } : {}),
    ...(stack.length === 0
      ? {}
      : { stack: stack.slice(0, mostStackLines).map((line) => bounded(line.trim(), mostLineCharacters)) }),
  };
}

/** `jsonb` holds no U+0000 and no lone surrogates. */
function bounded(text: string, most: number): string {
  return text.slice(0, most).replaceAll("\u0000", "").toWellFormed();
}

function safely(value: unknown): string {
  try {
    return String(value);
  } catch {
    return "a value that cannot be shown";
  }
}
