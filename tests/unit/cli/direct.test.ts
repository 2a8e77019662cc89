import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import test from "node:test";
import type { ControlPlane } from "../../../cli/control-plane.ts";
import { noteDirect, tellDirect } from "../../../cli/direct.ts";
import { cliError } from "../../../cli/errors.ts";

/** A control plane of which only `post` is used here; it may be away. */
function planeThat(hears: (path: string, body: unknown) => void): ControlPlane {
  return {
    post: async (path: string, body: unknown) => {
      hears(path, body);
      return { news: true };
    },
  } as unknown as ControlPlane;
}

test("a direct deed is kept in the home until the audit has heard of it, and is told once", async () => {
  const home = await mkdtemp(join(tmpdir(), "cellplane-direct-"));
  await tellDirect(
    home,
    planeThat(() => assert.fail("there is nothing to tell")),
  );

  const deed = { action: "cell.restore", target: "cell-1 to the newest state", reason: "the disk died" };
  const noted = await noteDirect(home, deed);
  const folder = join(home, "direct");
  assert.equal((await stat(join(folder, `${noted.id}.json`))).mode & 0o077, 0, "only its owner may read why");

  const away = planeThat(() => {
    throw cliError("control-plane-unreachable", "It is dead.");
  });
  await assert.rejects(tellDirect(home, away), { code: "control-plane-unreachable" });
  assert.equal((await readdir(folder)).length, 1);

  const heard: unknown[] = [];
  const plane = planeThat((path, body) => heard.push([path, body]));
  await tellDirect(home, plane);
  await tellDirect(home, plane);
  assert.deepEqual(heard, [["/v1/audit/direct", { ...noted, ...deed, user: userInfo().username }]]);
  await rm(home, { recursive: true });
});
