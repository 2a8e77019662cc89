import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, readdir, rm, stat } from "node:fs/promises";
import { closeSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openLog, rotateLogs } from "../../../cells/drivers/local/supervisor/logs.ts";

test("a process's logs stay bounded to three files while it goes on writing to the same descriptor", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cellplane-logs-"));
  try {
    const path = join(folder, "part.log");
    const descriptor = openLog(path);
    for (let round = 1; round <= 4; round++) {
      writeSync(descriptor, `round ${round}\n`);
      await appendFile(path, Buffer.alloc(10 * 1024 * 1024, "x"));
      await rotateLogs(folder);
      assert.equal((await stat(path)).size, 0);
    }
    writeSync(descriptor, "after\n");
    closeSync(descriptor);
    assert.equal(await readFile(path, "utf8"), "after\n");
    assert.deepEqual((await readdir(folder)).toSorted(), ["part.log", "part.log.1", "part.log.2"]);
    assert.match((await readFile(join(folder, "part.log.1"), "utf8")).slice(0, 8), /^round 4/);
    assert.match((await readFile(join(folder, "part.log.2"), "utf8")).slice(0, 8), /^round 3/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
