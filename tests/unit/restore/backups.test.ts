import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { chooseBase, type LifeBackups } from "../../../cells/drivers/local/backup/choose.ts";
import { backupPaths } from "../../../cells/drivers/local/backup/layout.ts";
import { missingRows } from "../../../cells/drivers/local/backup/drill.ts";
import { lossOf, recoveryPoint } from "../../../cells/drivers/local/backup/loss.ts";
import { packDirectory, unpackDirectory } from "../../../cells/drivers/local/backup/pack.ts";
import { archiveSize, basesKept, planPruning, prune } from "../../../cells/drivers/local/backup/prune.ts";
import { backupId, timeOf, type StoredBase } from "../../../cells/drivers/local/backup/records.ts";
import {
  archiveCommand,
  archivedSegment,
  chainFrom,
  nextSegment,
  walSegmentMb,
} from "../../../cells/drivers/local/backup/wal.ts";
import { cellId } from "../../../common/ids.ts";

const run = promisify(execFile);
const mb = 1024 * 1024;
const day = (n: number, hour = 0): Date => new Date(Date.UTC(2026, 0, n, hour));
const idOf = (at: Date): string => backupId(at, "00aa");

function baseAt(life: string, at: Date, segment: string, isVerified = true): StoredBase {
  const id = idOf(at);
  const time = at.toISOString();
  const verification = { at: time, through: time, leases: 1, tenants: 1, rows: 1, indexes: 1, restoreMs: 1 };
  const manifest: StoredBase["manifest"] = {
    version: 1,
    id,
    cell: cellId("cell-1"),
    life,
    startedAt: time,
    endedAt: time,
    startLsn: "0/1",
    stopLsn: "0/2",
    firstSegment: segment,
    lastSegment: segment,
    segmentBytes: mb,
    label: "START",
    serverVersion: 180_004,
    folders: [],
    files: [],
    bytes: 0,
    packedBytes: 0,
  };
  return { manifest, verification: isVerified ? verification : null };
}

test("WAL segments follow one another across the ends of both halves of their number", () => {
  assert.equal(nextSegment("000000010000000000000009", walSegmentMb * mb), "00000001000000000000000A");
  assert.equal(nextSegment("000000010000000000000FFF", mb), "000000010000000100000000");
  assert.equal(nextSegment("0000000200000000000000FF", 16 * mb), "000000020000000100000000");
  assert.throws(() => nextSegment("00000002.history", mb), RangeError);
  assert.equal(archivedSegment("000000010000000000000009.gz"), "000000010000000000000009");
  assert.equal(archivedSegment("000000010000000000000009.00000028.backup.gz"), null);
  assert.equal(archivedSegment("000000010000000000000009.gz.123"), null);
});

test("what lies behind a gap in the archive is of no use", () => {
  const names = [9, 10, 12].map((n) => `0000000100000000000000${n.toString(16).toUpperCase().padStart(2, "0")}`);
  assert.deepEqual(chainFrom(names[0] ?? "", new Set(names), mb), names.slice(0, 2));
});

test("the archive command archives once, takes the same again for done, and never overwrites another", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cellplane-archive-"));
  const [data, archive] = [join(folder, "data"), join(folder, "wal")];
  await Promise.all([mkdir(join(data, "pg_wal"), { recursive: true }), mkdir(archive)]);
  const name = "000000010000000000000001";
  // As PostgreSQL fills it in.
  const command = archiveCommand("../wal").replaceAll("%f", name).replaceAll("%p", `pg_wal/${name}`);
  const archiveNow = () => run("/bin/sh", ["-c", command], { cwd: data, env: {} });
  const segment = join(data, "pg_wal", name);
  await writeFile(segment, "one");
  await archiveNow();
  await archiveNow();
  assert.deepEqual(await readdir(archive), [`${name}.gz`]);
  await writeFile(segment, "another");
  await assert.rejects(archiveNow());
  assert.equal(gunzipSync(await readFile(join(archive, `${name}.gz`))).toString(), "one");
  // As if another came between the look and the link: the name is taken, though nothing can be read there.
  await rm(join(archive, `${name}.gz`));
  await symlink("nowhere", join(archive, `${name}.gz`));
  await assert.rejects(archiveNow());
  assert.deepEqual(await readdir(archive), [`${name}.gz`], "nothing half done is left");
  await rm(segment);
  await assert.rejects(archiveNow(), "a segment that cannot be read is not archived");
  await rm(archive, { recursive: true });
  await writeFile(segment, "one");
  await assert.rejects(archiveNow(), "an archive that is not there takes nothing");
  await rm(folder, { recursive: true });
});

test("a data directory is packed and unpacked as it is, what names a running server and the WAL left out", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cellplane-pack-"));
  const data = join(folder, "data");
  for (const path of ["base/1", "pg_wal", "global", "empty"]) await mkdir(join(data, path), { recursive: true });
  const large = Buffer.alloc(9 * mb, "0123456789abcdef");
  await writeFile(join(data, "base/1/1259"), large);
  await writeFile(join(data, "global/pg_control"), "control");
  await writeFile(join(data, "empty/nothing"), "");
  for (const path of ["postmaster.pid", "pg_wal/000000010000000000000001", "base/1/pgsql_tmp1", "backup_label"])
    await writeFile(join(data, path), "x");
  const packed = await packDirectory(data, join(folder, "pack"));
  assert.deepEqual(packed.files.map(({ path }) => path).toSorted(), [
    "base/1/1259",
    "empty/nothing",
    "global/pg_control",
  ]);
  assert.ok(packed.packedBytes < packed.bytes / 10);
  await unpackDirectory(join(folder, "pack"), packed, join(folder, "again"), null);
  assert.ok(large.equals(await readFile(join(folder, "again/base/1/1259"))));
  assert.deepEqual((await readdir(join(folder, "again"))).toSorted(), ["base", "empty", "global", "pg_wal"]);

  const [first] = packed.files;
  const damaged = { ...packed, files: [{ ...(first ?? assert.fail()), sha256: "0".repeat(64) }] };
  await assert.rejects(unpackDirectory(join(folder, "pack"), damaged, join(folder, "damaged"), null), /digest/);
  const leading = { folders: ["../out"], files: [] };
  await assert.rejects(unpackDirectory(join(folder, "pack"), leading, join(folder, "out"), null), /leads out/);
  await symlink("/etc/passwd", join(data, "base/1/link"));
  await assert.rejects(packDirectory(data, join(folder, "pack-2")), /is a link/);
  await rm(folder, { recursive: true });
});

test("a moment is restored from the newest proven base before it, in the life of that time", () => {
  const [first, second] = [idOf(day(1)), idOf(day(5))];
  const lives: LifeBackups[] = [
    { life: first, bases: [baseAt(first, day(2), "A"), baseAt(first, day(3), "B"), baseAt(first, day(4), "C", false)] },
    { life: second, bases: [] },
  ];
  const chosen = (at: Date | null): string | undefined => chooseBase(lives, at)?.id;
  assert.equal(chosen(day(3, 12)), idOf(day(3)));
  assert.equal(chosen(day(4, 12)), idOf(day(3)), "one that never was restored for a test comes last");
  assert.equal(chosen(day(1, 12)), undefined, "before the first base");
  assert.equal(chosen(day(6)), undefined, "the second life has no base yet, and the first had ended");
  assert.equal(chosen(null), idOf(day(3)), "the newest state there is");
  assert.equal(timeOf(first).getTime(), day(1).getTime());
});

test("pruning keeps two proven bases with all WAL since the older, and a former life for a day", () => {
  const [old, now] = [idOf(day(1)), idOf(day(10))];
  const bases = [11, 12, 13].map((n) => baseAt(now, day(n), `seg-${n}`));
  const unproven = baseAt(now, day(14), "seg-14", false);
  const lives: LifeBackups[] = [
    { life: old, bases: [baseAt(old, day(2), "seg-2")] },
    { life: now, bases: [...bases, unproven] },
  ];
  const plan = planPruning(lives, new Map(), day(14, 12));
  assert.equal(basesKept, 2);
  assert.deepEqual(plan.lives, [old]);
  assert.deepEqual(plan.bases, [{ life: now, id: idOf(day(11)) }]);
  assert.deepEqual(plan.keepFrom, [{ life: now, segment: "seg-12" }]);
  assert.deepEqual(planPruning(lives, new Map(), day(10, 12)).lives, [], "the former life stays a day");
  const full = planPruning(lives, new Map([[now, 5 * 1024 ** 3]]), day(14, 12));
  assert.deepEqual(full.keepFrom, [{ life: now, segment: "seg-13" }], "an archive that is too large keeps one");
  const none: LifeBackups[] = [{ life: now, bases: [unproven] }];
  assert.deepEqual(planPruning(none, new Map(), day(30)).bases, [], "nothing goes while nothing is proven");
});

test("pruning passes over what others take away meanwhile, and over no other trouble of the disk", async () => {
  const home = await mkdtemp(join(tmpdir(), "cellplane-prune-"));
  const life: LifeBackups = { life: idOf(day(1)), bases: [] };
  const wal = backupPaths(home, cellId("cell-1")).wal(life.life);
  await mkdir(wal, { recursive: true });
  const plan = { lives: [], bases: [], keepFrom: [{ life: life.life, segment: null }] };
  await writeFile(join(wal, "000000010000000000000001.gz"), "four");
  // As of a file that went between the folder's listing and the look at it.
  await symlink(join(wal, "gone"), join(wal, "000000010000000000000002.gz.77"));
  await prune(home, cellId("cell-1"), plan, day(30));
  assert.equal(await archiveSize(home, cellId("cell-1"), life), 4);

  const loop = join(wal, "000000010000000000000003.gz.78");
  await symlink(loop, loop);
  await assert.rejects(prune(home, cellId("cell-1"), plan, day(30)), { code: "ELOOP" });
  await assert.rejects(archiveSize(home, cellId("cell-1"), life), { code: "ELOOP" });
  await rm(home, { recursive: true });
});

test("the loss is counted where the former database could be read, and bounded where it could not", () => {
  const tenant = "01900000-0000-7000-8000-000000000001";
  const lease = { tenant, slug: "acme", state: "active", epoch: 1, synthetic: false };
  const mark = (rows: number, rowsBetween: number, lastWriteAt: Date | null) => ({
    tenant,
    rows,
    rowsBetween,
    rowsSince: rowsBetween,
    lastWriteAt,
  });
  const restored = { leases: [lease], marks: [mark(5, 0, null)] };
  const through = "2026-01-01T00:00:00.000500Z";
  const measured = lossOf(restored, [mark(8, 3, new Date("2026-01-01T00:00:10.000Z"))], through, day(2));
  assert.deepEqual(measured[0]?.lostRows, 3);
  assert.equal(Math.round(recoveryPoint(measured)), 10);
  assert.equal(recoveryPoint(lossOf(restored, [mark(5, 0, day(1))], through, day(2))), 0);
  const bounded = lossOf(restored, null, through, new Date("2026-01-01T00:01:00.000Z"));
  assert.deepEqual([bounded[0]?.lostRows, Math.round(recoveryPoint(bounded))], [null, 60]);
});

test("a drill finds rows that should have come back", () => {
  const mark = { tenant: "t", rows: 10, rowsBetween: 2, rowsSince: 3, lastWriteAt: null };
  const came = (rows: number) => ({ leases: [], marks: [{ ...mark, rows }] });
  assert.deepEqual(missingRows(came(7), [mark]), []);
  assert.deepEqual(missingRows(came(9), [mark]), [], "rows that were deleted since are no fault");
  assert.deepEqual(missingRows(came(6), [mark]), ["1 rows of t did not come back"]);
});
