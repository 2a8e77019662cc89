import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { DefaultLogger, Runtime, Worker } from "@temporalio/worker";
import { bundle } from "./support/environment.ts";
import { unpackHistory } from "./support/history.ts";

const folder = fileURLToPath(new URL("./histories/", import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith(".json.gz"));

before(() => {
  Runtime.install({ logger: new DefaultLogger("ERROR") });
});
after(async () => {
  await Runtime.instance().shutdown();
});

test("there are histories to replay", () => {
  assert.ok(files.length >= 9);
});

for (const file of files) {
  test(`a workflow that ran as ${file} says goes on under today's code`, async () => {
    const history = unpackHistory(readFileSync(`${folder}${file}`));
    await Worker.runReplayHistory({ workflowBundle: { codePath: await bundle() } }, history);
  });
}
