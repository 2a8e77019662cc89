import { digestOf } from "../../common/canonical.ts";
import type { AuditEntry } from "../../common/contracts/control-plane.ts";

/** What a caller says about an entry; sequence, time and hash are given when it is written. */
export interface AuditNote {
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly outcome: AuditEntry["outcome"];
  readonly reason: string | null;
  readonly operation: AuditEntry["operation"];
}

/** The hash before the first entry. */
export const genesis = "0".repeat(64);

/** An entry's hash: over all that it says and the hash of the one before it, so that none can be changed, dropped or moved unseen. */
export function chainHash(previous: string, entry: Omit<AuditEntry, "hash">): string {
  const { sequence, at, actor, action, target, outcome, reason, operation } = entry;
  return digestOf([previous, sequence, at, actor, action, target, outcome, reason, operation]);
}

/** Where the chain breaks. */
export interface ChainBreak {
  readonly sequence: number;
  readonly reason: "missing" | "changed" | "head";
}

/** Checks entries in order of sequence, beginning after (`sequence`, `hash`). @returns the first break, or where it has come to. */
export function followChain(
  from: { readonly sequence: number; readonly hash: string },
  entries: readonly AuditEntry[],
): { readonly sequence: number; readonly hash: string; readonly broken: ChainBreak | null } {
  let { sequence, hash } = from;
  for (const entry of entries) {
    if (entry.sequence !== sequence + 1)
      return { sequence, hash, broken: { sequence: sequence + 1, reason: "missing" } };
    if (chainHash(hash, entry) !== entry.hash)
      return { sequence, hash, broken: { sequence: entry.sequence, reason: "changed" } };
    ({ sequence, hash } = entry);
  }
  return { sequence, hash, broken: null };
}
