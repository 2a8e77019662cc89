import assert from "node:assert/strict";
import test from "node:test";
import { checkedIn, generatedFiles } from "../../../scripts/docs/documents.ts";

for (const { path, make } of generatedFiles) {
  test(`${path} says what the sources say`, async () => {
    const made = (await make()).split("\n");
    const here = checkedIn(path).split("\n");
    const line = made.findIndex((text, index) => text !== here[index]);
    const at = line < 0 ? made.length : line;
    const seen = JSON.stringify(here[at] ?? "(its end)");
    assert.ok(
      line < 0 && made.length === here.length,
      `${path} is out of date: line ${at + 1} is ${seen}, made anew it is ${JSON.stringify(made[at] ?? "(its end)")}. Run \`npm run docs\` and commit what it changes.`,
    );
  });
}
