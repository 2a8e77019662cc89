import type { CellId } from "../../common/ids.ts";
import { rendezvousScore } from "./rendezvous.ts";

/** A cell that could take a stateless request. */
export interface StatelessTarget {
  readonly cell: CellId;
  readonly region: string;
  /** Relative share of requests it should take; 0 for a cordoned or failing cell. */
  readonly weight: number;
}

/** How a request of a route marked stateless picks its cell. The roll, in [0, 1), is the caller's: nothing here is random. */
export type StatelessChoice =
  | { readonly by: "random"; readonly roll: number }
  | { readonly by: "user"; readonly user: string };

/**
 * Picks a cell for one request of a stateless route: by weight, or so that one user keeps to one cell (rendezvous
 * hashing: a lost cell moves only its own users).
 * @param residency regions the tenant's requests may be handled in; empty: anywhere. A constraint here too.
 * @returns null when no cell may take it.
 */
export function pickStateless(
  targets: readonly StatelessTarget[],
  residency: readonly string[],
  choice: StatelessChoice,
): CellId | null {
  const allowed = targets.filter(
    ({ region, weight }) => weight > 0 && (residency.length === 0 || residency.includes(region)),
  );
  switch (choice.by) {
    case "random":
      return byWeight(allowed, choice.roll);
    case "user":
      return byUser(allowed, choice.user);
    default:
      return choice satisfies never;
  }
}

function byWeight(targets: readonly StatelessTarget[], roll: number): CellId | null {
  const total = targets.reduce((sum, target) => sum + target.weight, 0);
  let remaining = roll * total;
  for (const target of targets) {
    remaining -= target.weight;
    if (remaining < 0) return target.cell;
  }
  return targets.at(-1)?.cell ?? null;
}

function byUser(targets: readonly StatelessTarget[], user: string): CellId | null {
  let best: StatelessTarget | null = null;
  let bestScore = Infinity;
  for (const target of targets) {
    const score = rendezvousScore(user, target.cell, target.weight);
    if (best === null || score < bestScore || (score === bestScore && target.cell < best.cell)) {
      best = target;
      bestScore = score;
    }
  }
  return best?.cell ?? null;
}
