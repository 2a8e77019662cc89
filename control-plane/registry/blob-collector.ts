import type { Clock } from "../../common/clock.ts";
import type { Logger } from "../../common/log.ts";
import { inTransaction, type Pool } from "../../common/postgres/pool.ts";
import { Loop } from "../loop.ts";
import type { BlobStore } from "./blobs.ts";
import { lockReleases, referencedFiles } from "./releases.store.ts";

/** A release's files are sent before the release that names them; so long the sender may take. */
const untouchedMs = 24 * 3_600_000;
const everyMs = 3_600_000;

interface Collection {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly blobs: BlobStore;
  readonly log: Logger;
}

/** Removes, now and then, what no release is made of. */
export function createBlobCollector(collection: Collection): Loop {
  const work = async (): Promise<void> => {
    const removed = await collectBlobs(collection);
    if (removed.length > 0) collection.log.info({ event: "blobs-collected", blobs: removed.length });
  };
  return new Loop({ name: "blob-collector", everyMs, work, log: collection.log });
}

/**
 * Removes the blobs that no release names and that nobody sent or asked for within a day. No release is stored meanwhile, so none can be
 * made of what is being removed.
 * @returns their digests.
 */
export async function collectBlobs({ pool, clock, blobs }: Omit<Collection, "log">): Promise<string[]> {
  return inTransaction(pool, async (tx) => {
    await lockReleases(tx);
    const named = await referencedFiles(tx);
    const untouched = await blobs.untouchedSince(new Date(clock.now() - untouchedMs));
    const unwanted = untouched.filter((digest) => !named.has(digest));
    for (const digest of unwanted) await blobs.remove(digest);
    return unwanted;
  });
}
