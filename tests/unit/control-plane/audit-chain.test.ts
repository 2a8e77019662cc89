import assert from "node:assert/strict";
import test from "node:test";
import type { AuditEntry } from "../../../common/contracts/control-plane.ts";
import { chainHash, followChain, genesis } from "../../../control-plane/audit/chain.ts";

function chainOf(length: number): AuditEntry[] {
  const entries: AuditEntry[] = [];
  let hash = genesis;
  for (let sequence = 1; sequence <= length; sequence += 1) {
    const at = new Date(sequence * 1000).toISOString();
    const entry = {
      sequence,
      at,
      actor: "ann",
      action: "tenant.create",
      target: `t${sequence}`,
      outcome: "done" as const,
      reason: null,
      operation: null,
    };
    hash = chainHash(hash, entry);
    entries.push({ ...entry, hash });
  }
  return entries;
}

const start = { sequence: 0, hash: genesis };

test("a chain is followed to its end, also in pages", () => {
  const entries = chainOf(10);
  const whole = followChain(start, entries);
  assert.deepEqual([whole.sequence, whole.broken], [10, null]);
  const half = followChain(start, entries.slice(0, 5));
  assert.deepEqual(followChain(half, entries.slice(5)), whole);
});

test("any member that is changed breaks the chain at its entry", () => {
  const changes: Partial<AuditEntry>[] = [
    { actor: "bob" },
    { action: "x" },
    { target: "y" },
    { outcome: "refused" },
    { reason: "z" },
    { at: new Date(1).toISOString() },
  ];
  for (const change of changes) {
    const entries = chainOf(5).map((entry) => (entry.sequence === 3 ? { ...entry, ...change } : entry));
    assert.deepEqual(followChain(start, entries).broken, { sequence: 3, reason: "changed" }, JSON.stringify(change));
  }
});

test("an entry that is missing, or exchanged with its neighbour, is seen", () => {
  const entries = chainOf(5);
  const missing = entries.filter(({ sequence }) => sequence !== 2);
  assert.deepEqual(followChain(start, missing).broken, { sequence: 2, reason: "missing" });
  const rehashed = entries.map((entry) => ({ ...entry, hash: chainHash(genesis, entry) }));
  assert.deepEqual(followChain(start, rehashed).broken, { sequence: 2, reason: "changed" });
});
