import { realpath } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { sha256 } from "../../../common/canonical.ts";
import type { CellId } from "../../../common/ids.ts";
import { driverError } from "../errors.ts";
import { cellPaths } from "./cell-layout.ts";
import { CellNotes } from "./cell-notes.ts";
import { takeName } from "./kernel-lock.ts";

/** A note is read and written in milliseconds; who waits longer met a process that was stopped in the middle. */
const lockTimeoutMs = 10_000;

/**
 * Lets a claim act on a cell, unless a higher one has: the highest is kept in the driver's notes. No claim at all is let through: it is
 * the word of a person at this machine, or of `npm start`.
 * @throws claim-outranked
 */
export async function admitClaim(home: string, cell: CellId, claim: number | undefined): Promise<void> {
  if (claim === undefined) return;
  const notes = new CellNotes(cellPaths(home, cell).notes);
  // Two processes may raise it at the same moment, a returning worker and a person's direct command.
  const free = await lockNote(`${await realpath(home)}\n${cell}`);
  try {
    const seen = await notes.claim();
    if (claim < seen) throw driverError("claim-outranked", `Claim ${claim} on ${cell} is below ${seen}.`);
    if (claim > seen) await notes.writeClaim(claim);
  } finally {
    free();
  }
}

async function lockNote(name: string): Promise<() => void> {
  const deadline = performance.now() + lockTimeoutMs;
  for (;;) {
    const lock = await takeName(`cellplane-claim-${sha256(name).slice(0, 32)}`);
    if (lock !== null) return () => void lock.close();
    if (performance.now() > deadline) throw new Error("the note of a cell's claim stays locked by another process");
    await sleep(10);
  }
}
