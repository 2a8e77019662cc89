import type { Problem } from "../../../common/contracts/problem.ts";

/** A refusal of the control plane, or its absence, as a problem document. */
export class ApiProblem extends Error {
  override readonly name = "ApiProblem";
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

/** A tenant's creation or a query may take some seconds; whatever takes longer than this is shown as an absence. */
const callLimitMs = 20_000;

/**
 * Calls the control plane's API with the session's cookie.
 * @throws ApiProblem
 */
export async function call<Answer>(
  method: "GET" | "POST" | "PUT" | "DELETE",
  path: string,
  body?: unknown,
): Promise<Answer> {
  const init: RequestInit = { method, credentials: "same-origin", signal: AbortSignal.timeout(callLimitMs) };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "content-type": "application/json" };
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new ApiProblem(absence("The control plane does not answer. Tenants are served without it."));
  }
  const text = await response.text();
  if (response.ok) return (text === "" ? null : JSON.parse(text)) as Answer;
  throw new ApiProblem(problemOf(text) ?? absence(`The answer was ${response.status} without an explanation.`));
}

/** Whether an error says that nobody is signed in (any more). */
export function isSignedOut(error: unknown): boolean {
  return error instanceof ApiProblem && error.problem.status === 401;
}

/** Any error as a problem that can be shown. */
export function toProblem(error: unknown): Problem {
  return error instanceof ApiProblem ? error.problem : absence(error instanceof Error ? error.message : String(error));
}

function problemOf(text: string): Problem | null {
  try {
    const value = JSON.parse(text) as Partial<Problem> | null;
    return value !== null && typeof value === "object" && typeof value.code === "string" ? (value as Problem) : null;
  } catch {
    return null;
  }
}

function absence(detail: string): Problem {
  return {
    type: "about:blank",
    title: "Not reachable",
    status: 503,
    code: "control-plane-unreachable",
    detail,
    todo: "It is asked again by itself. On the machine: npx cellplane status.",
  };
}
