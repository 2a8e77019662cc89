import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import Value from "typebox/value";
import { bundleRelease } from "../../../cells/drivers/bundle/bundle.ts";
import { digestOf, sha256 } from "../../../common/canonical.ts";
import { ReleaseManifest } from "../../../common/contracts/release.ts";

const root = resolve(import.meta.dirname, "../../..");
let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "cellplane-bundle-"));
});
after(async () => rm(folder, { recursive: true, force: true }));

test("the same sources make the same release, and a changed one another", async () => {
  const application = join(root, "tests/integration/cells/application");
  const first = await bundleRelease({ folder: application, version: "1", outDir: join(folder, "one") });
  const again = await bundleRelease({ folder: application, version: "1", outDir: join(folder, "two") });
  const other = await bundleRelease({ folder: application, version: "1.1", outDir: join(folder, "three") });
  assert.equal(again.digest, first.digest);
  assert.notEqual(other.digest, first.digest);
  assert.equal(first.digest, digestOf(first.manifest));
  assert.ok(Value.Check(ReleaseManifest, first.manifest));
  assert.equal(first.manifest.runtime, process.version);
  for (const file of first.files) {
    const content = await readFile(file.source);
    assert.deepEqual([content.length, sha256(content)], [file.bytes, file.digest], file.path);
  }
});

test("Pulse's releases name their migrations, aggregates and configuration", async () => {
  const release = await bundleRelease({
    folder: join(root, "examples/pulse-2"),
    version: "2",
    outDir: join(folder, "pulse-2"),
  });
  const { name, migrations, aggregates, configuration } = release.manifest;
  assert.deepEqual(
    [name, aggregates, configuration],
    ["pulse@2", ["active-users", "events"], { PULSE_RETENTION_HOURS: "48" }],
  );
  assert.deepEqual(
    migrations.flatMap(({ series, number }) => (series === "app" ? number : [])),
    [1, 2],
  );
  assert.equal(migrations[0]?.series, "kit");
  assert.deepEqual(
    release.manifest.journey?.map(({ path }) => path),
    ["/v1/events", "/v1/stats"],
  );
});

test("an application outside the clone is built on `cellplane/kit`, and runs without node_modules", async () => {
  const application = join(folder, "elsewhere/app");
  await mkdir(join(application, "migrations"), { recursive: true });
  await writeFile(
    join(application, "migrations/0001-things.expand.sql"),
    "CREATE TABLE things (tenant_id uuid NOT NULL, id uuid NOT NULL, PRIMARY KEY (tenant_id, id));\nSELECT cellplane.protect_table('things');\n",
  );
  await writeFile(
    join(application, "app.ts"),
    `import { Type, defineCellApp, type Server } from "cellplane/kit";
     export default defineCellApp({ name: "stranger", settings: Type.Object({ GREETING: Type.String({ default: "hello" }) }), migrations: { needs: 1 },
       async routes(server: Server, { settings }) { server.get("/v1/greeting", async () => ({ greeting: settings.GREETING })); }, jobs: [], aggregates: {} });`,
  );
  const release = await bundleRelease({ folder: application, version: "7", outDir: join(folder, "stranger") });
  assert.deepEqual([release.manifest.name, release.manifest.configuration], ["stranger@7", { GREETING: "hello" }]);

  const foreign = await mkdtemp(join(tmpdir(), "cellplane-foreign-"));
  try {
    await cp(join(folder, "stranger"), foreign, { recursive: true });
    for (const name of ["api", "worker", "migrate"]) {
      const { code, stderr } = await runBare(join(foreign, `${name}.mjs`), foreign);
      // It got as far as reading its settings: every import was found.
      assert.deepEqual([code, /The configuration does not fit/.test(stderr)], [1, true], stderr);
    }
  } finally {
    await rm(foreign, { recursive: true, force: true });
  }
});

test("what is no application is refused with the reason", async () => {
  const broken = join(folder, "broken");
  const bundle = () => bundleRelease({ folder: broken, version: "1", outDir: join(folder, "broken-out") });
  await assert.rejects(bundle(), { code: "bad-application", message: /There is no folder .*broken/ });
  await mkdir(broken);
  await assert.rejects(bundle(), { code: "bad-application", message: /There is no app\.ts in/ });
  const app = (text: string) => writeFile(join(broken, "app.ts"), text);
  await app("export default 5;");
  await assert.rejects(bundle(), { code: "bad-application", message: /There is no folder migrations in/ });
  await mkdir(join(broken, "migrations"));
  const defined = (rest: string): string =>
    `import { Type, defineCellApp, defineJob } from "cellplane/kit"; const job = defineJob({ name: "j", version: 1, payload: Type.Object({}), async run() {} });
     export default defineCellApp({ name: "shop", migrations: { needs: 0 }, routes: async () => undefined, ${rest} });`;
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ["export default 5;", "bad-application", /default export of app\.ts is not made by defineCellApp/],
    ["export const app = 1;", "bad-application", /default export of app\.ts/],
    ["export default {", "bundle-failed", /app\.ts:1:\d+: ERROR/],
    ['import x from "no-such-package"; export default x;', "bundle-failed", /no-such-package/],
    ['throw new Error("not today");', "bad-application", /not today/],
    ['export default (() => { throw new Error("not today"); })();', "bad-application", /not today/],
    ["process.exit(3); export default 5;", "bad-application", /ended its process/],
    [defined("jobs: [job, job]"), "bad-application", /the job j@1 is defined twice/],
    [defined("").replace('"shop"', '"My Shop"'), "bad-application", /"My Shop" is no name/],
    [
      defined('journey: [{ name: "a", method: "GET", path: "no-slash", expect: 200 }]'),
      "bad-application",
      /journey\/0\/path/,
    ],
  ];
  for (const [text, code, message] of cases) {
    await app(text);
    await assert.rejects(bundle(), { code, message }, text);
  }
});

test("a migration that blocks, breaks or reaches is refused before anything is stored, with place and fix", async () => {
  const application = join(folder, "blocks");
  await mkdir(join(application, "migrations"), { recursive: true });
  await writeFile(
    join(application, "app.ts"),
    `import { defineCellApp } from "cellplane/kit"; export default defineCellApp({ name: "blocks", migrations: { needs: 1 }, routes: async () => undefined });`,
  );
  const bundle = () => bundleRelease({ folder: application, version: "1", outDir: join(folder, "blocks-out") });
  const migration = (name: string, sql: string) => writeFile(join(application, "migrations", name), sql);
  await migration(
    "0001-things.expand.sql",
    "CREATE TABLE things (tenant_id uuid, id uuid, PRIMARY KEY (tenant_id, id));\nSELECT cellplane.protect_table('things');",
  );
  await migration(
    "0002-name.expand.sql",
    "ALTER TABLE things ADD COLUMN name text;\nCREATE INDEX by_name ON things (name);",
  );
  await assert.rejects(bundle(), {
    code: "bad-migration",
    message: /^app\/0002-name\.expand\.sql:2 things \(by_name\): .* Fix: Give the index a migration of its own/,
  });
  await migration("0002-name.expand.sql", "ALTER TABLE things ADD COLUM name text;");
  await assert.rejects(bundle(), { code: "bad-migration", message: /^app\/0002-name\.expand\.sql:1 syntax error/ });
  await migration("0002-name.expand.sql", "ALTER TABLE things ADD COLUMN name text;");
  await bundle();
});

function runBare(file: string, cwd: string): Promise<{ readonly code: number | null; readonly stderr: string }> {
  const child = spawn(process.execPath, [file], { cwd, env: {}, stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return new Promise((done) => {
    child.once("close", (code) => done({ code, stderr }));
  });
}
