import { digestOf, sha256 } from "../../common/canonical.ts";
import type { ReleaseManifest } from "../../common/contracts/release.ts";
import { releaseName } from "../../common/ids.ts";
import type { ReleaseRef, ReleaseSource } from "../../cells/drivers/driver.ts";

// A release as small as can be that behaves as a cell's processes do towards a driver. The live slot, a row in a real cell's database, is a
// file beside the incarnation.

const common = `
import { createServer } from "node:http";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
const { CELL_ID, SLOT, RELEASE, RELEASE_DIGEST, INCARNATION_FILE } = process.env;
const liveFile = join(dirname(INCARNATION_FILE), "stand-in-live");
const provisioned = () => existsSync(INCARNATION_FILE);
const liveSlot = () => existsSync(liveFile) ? readFileSync(liveFile, "utf8") : "a";
const status = () => ({
  cell: CELL_ID, slot: SLOT, liveSlot: liveSlot(), phase: liveSlot() === SLOT ? "live" : "standby", release: RELEASE, digest: RELEASE_DIGEST,
  ready: provisioned(), problems: provisioned() ? [] : ["the database is not provisioned"],
  incarnation: provisioned() ? readFileSync(INCARNATION_FILE, "utf8") : "", schema: { kit: 1, app: 1 }, tenants: 0, connections: 0, inFlight: 0,
  queue: { outbox: 0, oldestSeconds: 0, dead: 0 }, fleetGeneration: null, startedAt: new Date().toISOString(),
});
const answer = (response, code, body) => response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
const refuse = (response, code) => answer(response, 409, { type: "about:blank", title: code, status: 409, code, detail: code, todo: "" });
function admin(request, response) {
  if (request.url === "/healthz") return answer(response, 200, { alive: true });
  if (request.headers.authorization !== "Bearer token-for-" + CELL_ID) return refuse(response, "command-refused");
  if (request.url === "/v1/status") return answer(response, 200, status());
  let text = "";
  request.on("data", (chunk) => (text += chunk)).on("end", () => {
    const { from, to } = JSON.parse(text);
    if (liveSlot() !== from && liveSlot() !== to) return refuse(response, "slot-moved");
    writeFileSync(liveFile + ".new", to); renameSync(liveFile + ".new", liveFile);
    answer(response, 200, status());
  });
}
process.on("SIGTERM", () => process.exit(0));
createServer(admin).listen(Number(process.env.ADMIN_PORT), process.env.HOST);
`;

const files = {
  "api.mjs": `${common}
createServer((request, response) => answer(response, 200, { release: RELEASE, slot: SLOT, app: process.env.APP_DATABASE_URL.split("@")[1], extra: process.env.EXTRA })).listen(Number(process.env.API_PORT), process.env.HOST);`,
  "worker.mjs": common,
  "migrate.mjs": `
import { writeFileSync } from "node:fs";
const { INCARNATION_FILE, OWNER_DATABASE_URL } = process.env;
if (!OWNER_DATABASE_URL.startsWith("postgres://cell_owner:")) throw new Error("not the owner");
writeFileSync(INCARNATION_FILE, "stand-in");`,
  "migrate-failing.mjs": `process.stderr.write("no such column"); process.exit(1);`,
};

/** A runtime that is none of ours to copy: it runs the Node that runs the test. */
const runtime = `#!/bin/sh\nexec ${process.execPath} "$@"\n`;

export interface StandIn {
  readonly ref: ReleaseRef;
  readonly manifest: ReleaseManifest;
}

/** Releases made in memory, and the source that drivers read them from. */
export class StandInReleases implements ReleaseSource {
  readonly #manifests = new Map<string, ReleaseManifest>();
  readonly #blobs = new Map<string, Buffer>();

  /** A release of that version; `failing` has migrations that fail. */
  make(version: string, options: { failing?: boolean } = {}): ReleaseRef {
    const sources: Record<string, string> = {
      "api.mjs": files["api.mjs"],
      "worker.mjs": files["worker.mjs"],
      "migrate.mjs": options.failing === true ? files["migrate-failing.mjs"] : files["migrate.mjs"],
      "migrations/kit/0001-cell.expand.sql": `-- version ${version}\n`,
      node: runtime,
    };
    const entries = Object.entries(sources).map(([path, text]) => {
      const content = Buffer.from(text);
      const digest = sha256(content);
      this.#blobs.set(digest, content);
      return { path, digest, bytes: content.length, executable: path === "node" };
    });
    const manifest: ReleaseManifest = {
      name: releaseName(`stand-in@${version}`),
      application: "stand-in",
      version,
      runtime: process.version,
      files: entries,
      migrations: [],
      configuration: { EXTRA: `of-${version}` },
      aggregates: [],
    };
    const digest = digestOf(manifest);
    this.#manifests.set(digest, manifest);
    return { name: manifest.name, digest };
  }

  /** Damages the stored migration of a release. */
  damage(ref: ReleaseRef): void {
    const file = this.#manifests.get(ref.digest)?.files.find(({ path }) => path.startsWith("migrations/"));
    if (file !== undefined) this.#blobs.set(file.digest, Buffer.alloc(file.bytes, "x"));
  }

  async manifest(release: ReleaseRef): Promise<ReleaseManifest> {
    const manifest = this.#manifests.get(release.digest);
    if (manifest === undefined) throw new Error(`no manifest ${release.digest}`);
    return manifest;
  }

  async read(digest: string): Promise<AsyncIterable<Uint8Array>> {
    const blob = this.#blobs.get(digest);
    if (blob === undefined) throw new Error(`no blob ${digest}`);
    return (async function* () {
      yield blob;
    })();
  }
}
