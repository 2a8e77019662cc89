import assert from "node:assert/strict";
import { appendFile, mkdir, mkdtemp, readFile, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { layToRest, purgeRetired, raise } from "../../../cells/drivers/local/retired.ts";
import { keepBallast } from "../../../cells/drivers/local/supervisor/ballast.ts";
import { describeEnd } from "../../../cells/drivers/local/supervisor/endings.ts";
import { removeForgottenLogs, rotateLogs } from "../../../cells/drivers/local/supervisor/logs.ts";
import { readDesired, writeDesired } from "../../../cells/drivers/local/supervisor/records.ts";
import { cellId } from "../../../common/ids.ts";
import { createLog } from "../../../common/log.ts";

const log = createLog("test", "silent");
const dayMs = 24 * 3_600_000;

describe("the supervisor's upkeep", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "cellplane-upkeep-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test("keeps of a flooded log its end, and says that it is flooded", async () => {
    const logs = join(folder, "flood");
    await mkdir(logs);
    const path = join(logs, "part.log");
    for (let mb = 0; mb < 60; mb++) await appendFile(path, Buffer.alloc(1024 * 1024, "x"));
    await appendFile(path, "the last words\n");
    assert.deepEqual(await rotateLogs(logs), { isFlooding: true });
    assert.equal((await stat(path)).size, 0);
    const kept = await readFile(`${path}.1`, "utf8");
    assert.ok(kept.length <= 16 * 1024 * 1024, `${kept.length} bytes are kept`);
    assert.ok(kept.endsWith("the last words\n"));
    assert.deepEqual(await rotateLogs(logs), { isFlooding: false });
  });

  test("removes the logs of processes that were forgotten a week ago, and no others", async () => {
    const logs = join(folder, "logs");
    await mkdir(logs);
    for (const name of ["gone.log", "gone.log.1", "late.log", "lives.log.2"]) await writeFile(join(logs, name), "");
    const old = new Date(Date.now() - 8 * dayMs);
    for (const name of ["gone.log", "gone.log.1", "lives.log.2"]) await utimes(join(logs, name), old, old);
    await removeForgottenLogs(logs, new Set(["lives"]), Date.now());
    assert.deepEqual((await readdir(logs)).toSorted(), ["late.log", "lives.log.2"]);
  });

  test("gives the ballast up when the disk is nearly full, and makes it again when there is room", async () => {
    const file = join(folder, "ballast");
    const bytes = 3 * 1024 * 1024;
    const plenty = { file, bytes, freeBelowBytes: 1 };
    await keepBallast(plenty, log);
    assert.equal((await stat(file)).size, bytes);
    const { blocks } = await stat(file);
    assert.ok(blocks * 512 >= bytes, "it takes the room that it shows");
    // More than any disk has free.
    const scarce = { file, bytes, freeBelowBytes: 2 ** 60 };
    await keepBallast(scarce, log);
    await assert.rejects(stat(file), { code: "ENOENT" });
    await keepBallast(scarce, log);
    await assert.rejects(stat(file), { code: "ENOENT" }, "it does not come back before there is room");
    await keepBallast(plenty, log);
    assert.equal((await stat(file)).size, bytes);
  });

  test("begins with the record before the last when a disk lost the last", async () => {
    const path = join(folder, "desired", "desired.json");
    await writeDesired(path, { version: 1, processes: [] });
    assert.deepEqual(readDesired(path), { processes: [], damage: null });
    await writeDesired(path, { version: 1, processes: [] });
    const whole = await readFile(path, "utf8");
    await writeFile(path, whole.slice(0, whole.length / 2));
    const found = readDesired(path);
    assert.deepEqual(found.processes, []);
    assert.ok(found.damage instanceof SyntaxError);
    await writeFile(`${path}.previous`, "");
    assert.throws(() => readDesired(path), "on nothing but halves it does not begin");
    assert.deepEqual(readDesired(join(folder, "nowhere.json")), { processes: [], damage: null });
  });

  test("keeps a retired cell for a day, then purges it; a folder without a note is left to people", async () => {
    const home = join(folder, "home");
    const cell = cellId("cell-1");
    const cellFolder = join(home, "cells", cell);
    await mkdir(cellFolder, { recursive: true });
    await writeFile(join(cellFolder, "rows"), "of tenants");
    const retiredAt = Date.UTC(2026, 0, 1);
    await layToRest(home, cell, cellFolder, retiredAt);
    await layToRest(home, cell, cellFolder, retiredAt + 1);
    const [name = ""] = await readdir(join(home, "retired"));
    assert.match(name, /^cell-1-2026/);
    await mkdir(join(home, "retired", "of-a-person"));

    assert.deepEqual(await purgeRetired(home, retiredAt + dayMs - 1), []);
    assert.equal(await readFile(join(home, "retired", name, "rows"), "utf8"), "of tenants");
    // Half purged, then a death: the next round ends it.
    await mkdir(join(home, "retired", "cell-9-2025.going"));
    assert.deepEqual(await purgeRetired(home, retiredAt + dayMs + 1), [name]);
    assert.deepEqual(await readdir(join(home, "retired")), ["of-a-person"]);
  });

  test("a cell that dies between its note and its move is laid to rest by doing it again; raised, it has no note", async () => {
    const home = join(folder, "again");
    const cell = cellId("cell-2");
    const cellFolder = join(home, "cells", cell);
    await mkdir(cellFolder, { recursive: true });
    const tombstone = {
      version: 1,
      cell,
      retiredAt: "2026-01-01T00:00:00.000Z",
      purgeAfter: "2026-01-02T00:00:00.000Z",
    };
    await writeFile(join(cellFolder, "tombstone.json"), JSON.stringify(tombstone));
    await layToRest(home, cell, cellFolder, Date.now());
    assert.deepEqual(await readdir(join(home, "retired")), ["cell-2-20260101000000000"]);
    const back = join(home, "retired", "cell-2-20260101000000000");
    await raise(back);
    assert.deepEqual(await readdir(back), []);
  });

  test("says why a process ended, where its last words or the kernel tell", async () => {
    const path = join(folder, "words.log");
    await writeFile(path, "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n");
    assert.equal(describeEnd("SIGABRT", path, false), "SIGABRT (its heap was full)");
    assert.equal(describeEnd("SIGKILL", path, true), "SIGKILL (the machine was out of memory)");
    assert.equal(describeEnd("SIGKILL", path, false), "SIGKILL");
    await writeFile(path, "PANIC:  could not write to file: No space left on device\n");
    assert.equal(describeEnd("exit 2", path, false), "exit 2 (its disk is full)");
    assert.equal(describeEnd("exit 2", join(folder, "missing.log"), false), "exit 2");
  });
});
