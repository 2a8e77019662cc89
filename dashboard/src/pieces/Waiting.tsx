import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ProblemNote } from "./ProblemNote.tsx";

/**
 * Shows what a query answered. While it has never answered: that it is being asked, or why not. An answer that could not be renewed stays,
 * with the problem above it, so that nobody takes an old picture for a new one.
 */
export function Waiting<Answer>({
  query,
  children,
}: {
  readonly query: UseQueryResult<Answer>;
  readonly children: (answer: Answer) => ReactNode;
}) {
  if (query.data === undefined) {
    return query.error === null ? (
      <p className="faint" role="status">
        Loading …
      </p>
    ) : (
      <ProblemNote error={query.error} />
    );
  }
  return (
    <>
      {query.error !== null && (
        <>
          <ProblemNote error={query.error} />
          <p className="faint">What follows is as of {new Date(query.dataUpdatedAt).toLocaleTimeString()}.</p>
        </>
      )}
      {children(query.data)}
    </>
  );
}
