import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DiskWatch } from "../../../cells/kit/disk.ts";
import { createLog } from "../../../common/log.ts";

const mib = 1_048_576;

function stage(directory: string | null = "/of/the/cell") {
  const disk = { freeMb: 1_000, broken: false };
  const watch = new DiskWatch({
    directory,
    floorMb: 100,
    readFree: () => {
      if (disk.broken) throw new Error("no such folder");
      return disk.freeMb * mib;
    },
    log: createLog("test", "silent"),
  });
  return {
    watch,
    disk,
    see(freeMb: number): boolean {
      disk.freeMb = freeMb;
      watch.look();
      return watch.tight;
    },
  };
}

describe("the watch over a cell's disk", () => {
  test("refuses writes below the floor, and takes them again only with a quarter more", () => {
    const { watch, see } = stage();
    assert.equal(see(100), false);
    watch.admitWrite();
    assert.equal(see(99), true);
    assert.throws(() => watch.admitWrite(), { code: "disk-nearly-full", status: 503 });
    assert.deepEqual(watch.problems(), [
      "disk-nearly-full: 99 MiB of the cell's disk are free, below 100 writes are refused",
    ]);
    assert.equal(see(124), true, "at the edge it does not flutter");
    assert.equal(see(125), false);
    watch.admitWrite();
    assert.deepEqual(watch.problems(), []);
  });

  test("keeps what it last saw while the disk cannot be asked", () => {
    const { watch, disk, see } = stage();
    assert.equal(see(50), true);
    disk.broken = true;
    watch.look();
    assert.equal(watch.tight, true);
    disk.broken = false;
    assert.equal(see(500), false);
    disk.broken = true;
    watch.look();
    assert.equal(watch.tight, false);
  });

  test("watches nothing where the platform does", () => {
    const { see } = stage(null);
    assert.equal(see(0), false);
  });
});
