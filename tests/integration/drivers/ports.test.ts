import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { allocateBlock, claimFront } from "../../../cells/drivers/local/ports.ts";

test("homes get blocks of their own, at the same moment too, keep them, and give them back when they are gone", async () => {
  const homes = await Promise.all([1, 2, 3].map(() => mkdtemp(join(tmpdir(), "cellplane-ports-"))));
  const blocks = await Promise.all(homes.map((home) => allocateBlock(home)));
  assert.equal(new Set(blocks).size, 3);
  assert.deepEqual(await Promise.all(homes.map((home) => allocateBlock(home))), blocks);

  const [first = "", ...others] = homes;
  const [block = 0] = blocks;
  await rm(first, { recursive: true });
  // Somebody listens where the block was: the next home must not get it.
  const squatter = createServer().listen(block + 17, "127.0.0.1");
  await once(squatter, "listening");
  const next = await mkdtemp(join(tmpdir(), "cellplane-ports-"));
  assert.notEqual(await allocateBlock(next), block);
  squatter.close();
  await Promise.all([next, ...others].map((home) => rm(home, { recursive: true })));
});

test("of homes that claim the ports that people know at the same moment one has them, until its fleet is no more", async (t) => {
  // What another fleet of this machine may hold is not this test's to take: then all of them are refused, and nobody has two.
  const homes = await Promise.all([1, 2, 3].map(() => mkdtemp(join(tmpdir(), "cellplane-ports-"))));
  t.after(() => Promise.all(homes.map((home) => rm(home, { recursive: true, force: true }))));
  const living = async (): Promise<boolean> => true;
  const claims = await Promise.all(homes.map((home) => claimFront(home, living)));
  assert.ok(claims.filter(Boolean).length <= 1, JSON.stringify(claims));
  const winner = homes[claims.indexOf(true)];
  if (winner === undefined) return;
  assert.equal(await claimFront(winner, living), true, "it keeps them");
  await rm(winner, { recursive: true });
  const [next = ""] = homes.filter((home) => home !== winner);
  assert.equal(await claimFront(next, living), true);
});
