import assert from "node:assert/strict";
import { test } from "node:test";
import Value from "typebox/value";
import { cellPorts } from "../../../cells/drivers/local/ports.ts";
import {
  migrationEnvironment,
  releaseProcesses,
  type CellFacts,
} from "../../../cells/drivers/local/release-processes.ts";
import { ApiConfig, MigrateConfig, WorkerConfig } from "../../../cells/config.ts";
import { ProcessSpec } from "../../../common/contracts/supervisor.ts";
import { readConfig } from "../../../common/config.ts";
import { cellId, releaseName } from "../../../common/ids.ts";
import type { ReleaseManifest } from "../../../common/contracts/release.ts";

const secret = (name: string): string => `${name}-password-of-the-cell`;
const facts: CellFacts = {
  home: "/home/of/fleet",
  plan: { id: cellId("cell-1"), region: "eu" },
  ports: cellPorts(20_000, 0),
  secrets: {
    version: 1,
    superuser: secret("superuser"),
    owner: secret("owner"),
    app: secret("app"),
    system: secret("system"),
    redis: secret("redis"),
  },
  fleet: { url: "http://127.0.0.1:8081", trustKeys: ["MCow", "MCox"] },
  logLevel: "info",
};
const release = { name: releaseName("pulse@2"), digest: "a".repeat(64) };
const manifest: ReleaseManifest = {
  name: release.name,
  application: "pulse",
  version: "2",
  runtime: "v24.0.0",
  files: [{ path: "node", digest: "b".repeat(64), bytes: 1, executable: true }],
  migrations: [],
  configuration: { RETENTION_DAYS: "30", CELL_ID: "not-yours-to-set" },
  aggregates: [],
};

test("a release's processes get an environment that the cell's own settings accept", () => {
  const [api, worker] = releaseProcesses(facts, "b", release, manifest);
  assert.ok(api !== undefined && worker !== undefined);
  assert.equal(readConfig(ApiConfig, api.env).API_PORT, facts.ports.slots.b.api);
  assert.equal(readConfig(WorkerConfig, worker.env).ADMIN_PORT, facts.ports.slots.b.worker);
  readConfig(MigrateConfig, migrationEnvironment(facts, release, "a"));
  for (const spec of [api, worker]) assert.ok(Value.Check(ProcessSpec, spec));
});

test("a release's configuration never overrules what makes the cell the cell it is", () => {
  const [api] = releaseProcesses(facts, "a", release, manifest);
  assert.equal(api?.env["RETENTION_DAYS"], "30");
  assert.equal(api?.env["CELL_ID"], "cell-1");
});

test("only the migration gets the owner's credentials, and nothing serving gets the superuser's", () => {
  const serving = JSON.stringify(releaseProcesses(facts, "a", release, manifest));
  const migrating = JSON.stringify(migrationEnvironment(facts, release, "a"));
  assert.ok(!serving.includes(secret("owner")) && migrating.includes(secret("owner")));
  assert.ok(!serving.includes(secret("superuser")) && !migrating.includes(secret("superuser")));
});
