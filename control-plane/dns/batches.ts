import type { DnsChange } from "../../common/contracts/dns.ts";

/** Changes a batch, well below Route 53's 1,000 (an upsert counting twice): a batch that fails is soon tried again. */
export const maxChangesPerBatch = 200;

/**
 * Cuts changes into batches of indices. Route 53 applies a batch wholly or not at all, so that what belongs to one name
 * and type stays together: within it a routing policy can be replaced by another, and the name is never empty between.
 * Such a group stands where its first upsert stands; a group of deletions alone comes after all upserts.
 */
export function batchesOf(changes: readonly DnsChange[], limit: number = maxChangesPerBatch): number[][] {
  const groups = Map.groupBy(changes.keys(), (index) => {
    const { name = "", type = "" } = changes[index]?.record ?? {};
    return `${name} ${type}`;
  });
  const batches: number[][] = [];
  let room = 0;
  for (const group of groups.values()) {
    // Deletions first: of two routing policies Route 53 takes only one at a time under one name.
    const inOrder = group.toSorted(
      (a, b) => Number(changes[a]?.action === "UPSERT") - Number(changes[b]?.action === "UPSERT") || a - b,
    );
    const batch = batches.at(-1);
    if (batch === undefined || group.length > room) {
      batches.push(inOrder);
      room = limit - group.length;
    } else {
      batch.push(...inOrder);
      room -= group.length;
    }
  }
  return batches;
}
