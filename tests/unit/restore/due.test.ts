import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { isBackupDue } from "../../../cells/drivers/local/backup/due.ts";
import { backupPaths } from "../../../cells/drivers/local/backup/layout.ts";
import { backupId } from "../../../cells/drivers/local/backup/records.ts";
import { cellPaths } from "../../../cells/drivers/local/cell-layout.ts";
import { CellNotes } from "../../../cells/drivers/local/cell-notes.ts";
import { cellId } from "../../../common/ids.ts";

const cell = cellId("cell-1");
const rhythm = { everyMs: 86_400_000, firstAfterMs: 180_000 };
const at = (day: number, minute = 0): Date => new Date(Date.UTC(2026, 0, day, 0, minute));

test("a cell is due when it has run a while without a proven base, and a day after the last", async () => {
  const home = await mkdtemp(join(tmpdir(), "cellplane-due-"));
  const due = (since: Date, now: Date): Promise<boolean> => isBackupDue(home, cell, rhythm, since, now);
  assert.equal(await due(at(1), at(2)), false, "it does not archive yet");
  const life = backupId(at(1), "00aa");
  await new CellNotes(cellPaths(home, cell).notes).writeArchivedLife(life);
  assert.equal(await due(at(1), at(1, 2)), false, "it has just started");
  assert.equal(await due(at(1), at(1, 4)), true);

  const base = backupPaths(home, cell).base(life, backupId(at(2), "00aa"));
  await mkdir(base, { recursive: true });
  await writeFile(join(base, "manifest.json"), "{}");
  assert.equal(await due(at(1), at(2, 10)), true, "a base that was never restored counts for nothing");
  await writeFile(join(base, "verified.json"), "{}");
  assert.equal(await due(at(1), at(2, 10)), false);
  assert.equal(await due(at(1), at(3)), true, "a day later");
  assert.equal(await due(at(3), at(3, 2)), false, "but not right after a start");
  const next = backupId(at(2), "00bb");
  await mkdir(backupPaths(home, cell).wal(next), { recursive: true });
  await new CellNotes(cellPaths(home, cell).notes).writeArchivedLife(next);
  assert.equal(await due(at(2, 9), at(2, 10)), true, "a restored cell has nothing of its new life yet: at once");
  await rm(home, { recursive: true });
});
