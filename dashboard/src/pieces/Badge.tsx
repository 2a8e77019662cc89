import type { ReactNode } from "react";

/** What a colour means everywhere; the word beside it always says the same. */
export type Tone = "good" | "warn" | "bad" | "busy" | "calm";

/** A short word with its tone. */
export function Badge({ tone, children }: { readonly tone: Tone; readonly children: ReactNode }) {
  return (
    <span className={`badge tone-${tone}`}>
      <span className="dot" aria-hidden="true" />
      {children}
    </span>
  );
}
