import { digestOf, sha256 } from "../../common/canonical.ts";
import type { ReleaseManifest } from "../../common/contracts/release.ts";
import { releaseName } from "../../common/ids.ts";
import type { ReleaseRef, ReleaseSource } from "../../cells/drivers/driver.ts";

// A release as small as can be that behaves as a cell's processes do towards a driver. Live slot and claim, a row in a real cell's database, are
// files beside the incarnation. Its API answers at once, after a while (/hold?ms=…), or never ends (/stream).

const common = `
import { createServer } from "node:http";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
const { CELL_ID, SLOT, RELEASE, RELEASE_DIGEST, INCARNATION_FILE } = process.env;
const liveFile = join(dirname(INCARNATION_FILE), "stand-in-live");
const claimFile = join(dirname(INCARNATION_FILE), "stand-in-claim");
const claim = () => existsSync(claimFile) ? Number(readFileSync(claimFile, "utf8")) : 0;
const load = { connections: 0, inFlight: 0 };
const put = (file, text) => { writeFileSync(file + ".new", text); renameSync(file + ".new", file); };
const provisioned = () => existsSync(INCARNATION_FILE);
const liveSlot = () => existsSync(liveFile) ? readFileSync(liveFile, "utf8") : "a";
const status = () => ({
  cell: CELL_ID, slot: SLOT, liveSlot: liveSlot(), phase: liveSlot() === SLOT ? "live" : "standby", release: RELEASE, digest: RELEASE_DIGEST,
  ready: provisioned(), problems: provisioned() ? [] : ["the database is not provisioned"],
  incarnation: provisioned() ? readFileSync(INCARNATION_FILE, "utf8") : "", schema: { kit: 1, app: 1 }, tenants: 0, ...load,
  queue: { outbox: 0, oldestSeconds: 0, dead: 0 }, fleetGeneration: null, claimToken: claim(), startedAt: new Date().toISOString(),
});
const answer = (response, code, body) => response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
const refuse = (response, code) => answer(response, 409, { type: "about:blank", title: code, status: 409, code, detail: code, todo: "" });
function admin(request, response) {
  if (request.url === "/healthz") return answer(response, 200, { alive: true });
  if (request.headers.authorization !== "Bearer token-for-" + CELL_ID) return refuse(response, "command-refused");
  if (request.url === "/v1/status") return answer(response, 200, status());
  let text = "";
  request.on("data", (chunk) => (text += chunk)).on("end", () => {
    const { from, to, token = claim() } = JSON.parse(text);
    if (token < claim()) return refuse(response, "claim-outranked");
    if (liveSlot() !== from && liveSlot() !== to) return refuse(response, "slot-moved");
    put(claimFile, String(token));
    put(liveFile, to);
    answer(response, 200, status());
  });
}
const ended = () => { if (load.inFlight === 0) process.exit(0); };
process.on("SIGTERM", () => { ended(); setTimeout(() => process.exit(0), 3_000); setInterval(ended, 20); });
createServer(admin).listen(Number(process.env.ADMIN_PORT), process.env.HOST);
`;

const files = {
  "api.mjs": `${common}
const here = { release: RELEASE, slot: SLOT, app: process.env.APP_DATABASE_URL.split("@")[1], extra: process.env.EXTRA };
const api = createServer((request, response) => {
  load.inFlight++;
  response.once("close", () => load.inFlight--);
  const { pathname, searchParams } = new URL(request.url, "http://stand-in");
  if (pathname === "/hold") return setTimeout(() => answer(response, 200, here), Number(searchParams.get("ms")));
  if (pathname !== "/stream") return answer(response, 200, here);
  response.writeHead(200, { "content-type": "text/event-stream" }).write("retry: 100\\n\\n");
});
api.on("connection", (socket) => { load.connections++; socket.once("close", () => load.connections--); });
api.listen(Number(process.env.API_PORT), process.env.HOST);`,
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

  /** A release by the name of that one, whose digest the stored manifest does not have. */
  passOff(ref: ReleaseRef): ReleaseRef {
    const manifest = this.#manifests.get(ref.digest);
    if (manifest === undefined) throw new Error(`no manifest ${ref.digest}`);
    const digest = sha256(`not ${ref.digest}`);
    this.#manifests.set(digest, manifest);
    return { name: ref.name, digest };
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
