import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { allocateBlock } from "../../../cells/drivers/local/ports.ts";

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
