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
    migrations.map(({ series, number }) => `${series}/${number}`),
    ["kit/1", "app/1", "app/2"],
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
  await mkdir(join(broken, "migrations"), { recursive: true });
  const bundle = () => bundleRelease({ folder: broken, version: "1", outDir: join(folder, "broken-out") });
  await assert.rejects(bundle(), { code: "bundle-failed" });
  await writeFile(join(broken, "app.ts"), `import nothing from "no-such-package"; export default nothing;`);
  await assert.rejects(bundle(), /no-such-package/);
  await writeFile(join(broken, "app.ts"), "export default { name: 1, settings: { properties: {} }, aggregates: {} };");
  await assert.rejects(bundle(), { code: "bad-application" });
});

function runBare(file: string, cwd: string): Promise<{ readonly code: number | null; readonly stderr: string }> {
  const child = spawn(process.execPath, [file], { cwd, env: {}, stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return new Promise((done) => {
    child.once("close", (code) => done({ code, stderr }));
  });
}
