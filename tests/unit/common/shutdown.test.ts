import assert from "node:assert/strict";
import test from "node:test";
import { Shutdown } from "../../../common/http/shutdown.ts";
import { createLog } from "../../../common/log.ts";

test("what was taken last is let go of first, each after the one before it", async () => {
  const shutdown = new Shutdown(createLog("test", "silent"));
  const seen: string[] = [];
  shutdown.add("pool", () => {
    seen.push("pool");
  });
  shutdown.add("server", async () => {
    seen.push("server begins");
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
    seen.push("server ends");
  });
  assert.equal(await shutdown.run("test"), true);
  assert.deepEqual(seen, ["server begins", "server ends", "pool"]);
});

test("one that fails keeps no other from being let go of, and the stop is not called clean", async () => {
  const shutdown = new Shutdown(createLog("test", "silent"));
  let isReleased = false;
  shutdown.add("pool", () => {
    isReleased = true;
  });
  shutdown.add("server", () => Promise.reject(new Error("busy")));
  assert.equal(await shutdown.run("test"), false);
  assert.ok(isReleased);
});
