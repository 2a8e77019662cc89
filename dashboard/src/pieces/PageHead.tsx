import type { ReactNode } from "react";

/** A page's name, a line about it, and what can be done on it. */
export function PageHead({
  title,
  about,
  children,
}: {
  readonly title: string;
  readonly about: string;
  readonly children?: ReactNode;
}) {
  return (
    <header className="page-head">
      <div>
        <h1>{title}</h1>
        <p className="faint">{about}</p>
      </div>
      {children !== undefined && <div className="page-actions">{children}</div>}
    </header>
  );
}
