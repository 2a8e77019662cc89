import assert from "node:assert/strict";
import test from "node:test";
import Type from "typebox";
import { Secret } from "../../../common/config.ts";
import { environmentExample, everySetting } from "../../../scripts/docs/environment.ts";
import { root } from "../../../scripts/lib/bootstrap.mjs";

const all = await everySetting();

test("every part's settings are there, each with a description", () => {
  const text = environmentExample(all);
  for (const part of [
    "aggregator",
    "cell",
    "command line",
    "control plane",
    "router",
    "supervisor",
    "workflow worker",
  ]) {
    assert.ok(text.includes(`# ── ${part}`), part);
  }
  for (const { schema } of all)
    for (const name of Object.keys(schema.properties)) assert.match(text, new RegExp(`^# .+\n(# )?${name}=`, "m"));
});

test("it holds no secret's value and no path of the machine that made it", () => {
  const text = environmentExample(all);
  assert.ok(!text.includes(root));
  const schema = Type.Object({ TOKEN: Secret({ description: "the token", default: "hunter2" }) });
  assert.ok(!environmentExample([{ reader: "tea", path: "tea/config.ts", schema }]).includes("hunter2"));
});

test("what must be set stands bare, what has a default is commented out with it", () => {
  const schema = Type.Object({
    PORT: Type.Integer({ minimum: 1, maximum: 9, description: "the port" }),
    RATE: Type.Number({ default: 0.5, exclusiveMinimum: 0, description: "the rate" }),
    NAME: Type.Optional(Type.String({ description: "the name" })),
    TOKEN: Secret({ description: "the token" }),
  });
  const text = environmentExample([{ reader: "tea", path: "tea/config.ts", schema }]);
  assert.ok(text.includes("# the port (integer from 1 to 9)\nPORT=\n"));
  assert.ok(text.includes("# the rate (number, above 0)\n# RATE=0.5\n"));
  assert.ok(text.includes("# the name\n# NAME=\n"));
  assert.ok(text.includes("# the token (secret)\nTOKEN=\n"));
});

test("a setting without a description is refused by name", () => {
  const schema = Type.Object({ PORT: Type.Integer() });
  assert.throws(() => environmentExample([{ reader: "tea", path: "tea/config.ts", schema }]), {
    message: "the setting PORT has no description",
  });
});
