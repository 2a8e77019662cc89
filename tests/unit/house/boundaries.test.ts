import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test, { after, before } from "node:test";
import { promisify } from "node:util";
import { root } from "../../../scripts/lib/bootstrap.mjs";

// The rules are only as good as the parser that feeds them: one that does not see an import finds no fault with it.
// So each wall is broken once, on purpose.

const run = promisify(execFile);
const broken: readonly { rule: string; file: string; text: string }[] = [
  { rule: "no-cycles", file: "router/table/a.ts", text: 'import type { B } from "./b.ts";\nexport type A = B;\n' },
  { rule: "common-imports-no-part", file: "common/a.ts", text: 'import "../router/table/b.ts";\n' },
  {
    rule: "parts-are-islands",
    file: "aggregator/a.ts",
    text: 'import type { B } from "../router/table/b.ts";\nexport type A = B;\n',
  },
  { rule: "cli-brings-drivers", file: "cli/a.ts", text: 'import "../control-plane/registry/a.ts";\n' },
  { rule: "worker-brings-drivers-and-registry", file: "workflows/main.ts", text: 'import "../router/table/b.ts";\n' },
  { rule: "product-knows-no-tests", file: "control-plane/b.ts", text: 'import "../tests/a.ts";\n' },
  {
    rule: "pure-folders-do-no-io",
    file: "control-plane/placement/a.ts",
    text: 'import { readFileSync } from "node:fs";\nexport const a = readFileSync;\n',
  },
  {
    rule: "pure-folders-need-no-clients",
    file: "control-plane/rollout/a.ts",
    text: 'import { fastify } from "fastify";\nexport const a = fastify;\n',
  },
  {
    rule: "workflow-definitions-are-deterministic",
    file: "workflows/definitions/a.ts",
    text: 'import { hostname } from "node:os";\nexport const a = hostname;\n',
  },
  { rule: "applications-see-the-kit-alone", file: "cells/pulse/a.ts", text: 'import "../../common/a.ts";\n' },
  { rule: "examples-see-the-kit-alone", file: "examples/x/a.ts", text: 'import "../../common/a.ts";\n' },
  { rule: "cells-know-no-driver", file: "cells/kit/a.ts", text: 'import "../drivers/local/a.ts";\n' },
  {
    rule: "drivers-start-by-path",
    file: "cells/drivers/local/a.ts",
    text: 'import type { A } from "../../kit/b.ts";\nexport type C = A;\n',
  },
  {
    rule: "pg-in-common-postgres",
    file: "control-plane/registry/a.ts",
    text: 'import { Pool } from "pg";\nexport const a = Pool;\n',
  },
  {
    rule: "bullmq-in-the-kits-queue",
    file: "cells/admin/a.ts",
    text: 'import { Queue } from "bullmq";\nexport const a = Queue;\n',
  },
  {
    rule: "aws-in-dns",
    file: "router/c.ts",
    text: 'import type { Route53Client } from "@aws-sdk/client-route-53";\nexport type A = Route53Client;\n',
  },
  {
    rule: "temporal-client-in-one-file",
    file: "control-plane/api/a.ts",
    text: 'import { Client } from "@temporalio/client";\nexport const a = Client;\n',
  },
];
const bystanders: Record<string, string> = {
  "router/table/b.ts": 'import type { A } from "./a.ts";\nexport type B = A | 1;\n',
  "cells/kit/b.ts": "export type A = 1;\n",
  "tests/a.ts": "export const a = 1;\n",
};

let folder = "";

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "cellplane-house-"));
  const files = { ...bystanders, ...Object.fromEntries(broken.map(({ file, text }) => [file, text])) };
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), text);
  }
  for (const file of [".dependency-cruiser.mjs", "package.json"]) await copyFile(join(root, file), join(folder, file));
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
});

after(async () => {
  await rm(folder, { recursive: true, force: true });
});

test("every wall of the house is seen to be broken when it is", async () => {
  const program = join(root, "node_modules", ".bin", "depcruise");
  const folders = ["common", "router", "cells", "control-plane", "workflows", "aggregator", "cli", "examples"];
  const args = [program, "--config", ".dependency-cruiser.mjs", "--output-type", "json", ...folders];
  const { stdout } = await run(process.execPath, args, { cwd: folder, maxBuffer: 64 * 1024 * 1024 });
  const found = JSON.parse(stdout) as { summary: { violations: { from: string; rule: { name: string } }[] } };
  for (const { rule, file } of broken) {
    const seen = found.summary.violations.some((violation) => violation.rule.name === rule && violation.from === file);
    assert.ok(seen, `${rule} says nothing of ${file}`);
  }
});
