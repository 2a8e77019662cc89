import { toProblem } from "../api/client.ts";

/** A refusal or an absence: what, why, what to do. */
export function ProblemNote({ error }: { readonly error: unknown }) {
  if (error === null || error === undefined) return null;
  const problem = toProblem(error);
  return (
    <div className="note tone-bad" role="alert">
      <strong>{problem.title}</strong>
      <p>{problem.detail}</p>
      {problem.todo !== "" && <p>{problem.todo}</p>}
      <p className="faint mono">{problem.code}</p>
    </div>
  );
}
