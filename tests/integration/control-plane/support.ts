import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "../../../common/canonical.ts";
import { CommandToken } from "../../../common/contracts/assertion.ts";
import type { RegisterCell } from "../../../common/contracts/control-plane.ts";
import type { ReleaseManifest } from "../../../common/contracts/release.ts";
import { releaseName } from "../../../common/ids.ts";
import { Shutdown } from "../../../common/http/shutdown.ts";
import { generateSigningKey, loadSigningKey, type SigningKey } from "../../../common/keys.ts";
import { createLog } from "../../../common/log.ts";
import { signToken, verifyToken } from "../../../common/tokens.ts";
import { loadConfig } from "../../../control-plane/config.ts";
import { startPlane, type Plane } from "../../../control-plane/plane.ts";
import type { TestPostgres } from "../../support/postgres.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // What a test reads of an answer it asserts at once.
  readonly body: Record<string, unknown>;
}

export interface TestPlane extends Plane {
  /** The control plane's own key. */
  readonly key: SigningKey;
  /** The publisher's public key. */
  readonly publisherKey: SigningKey;
  readonly token: string;
  readonly databaseUrl: string;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  stop(): Promise<void>;
}

/** A whole control plane in this process, on a database of its own. */
export async function startTestPlane(
  postgres: TestPostgres,
  options: {
    readonly creationWaitMs?: number;
    readonly temporal?: string;
    readonly webhookPauses?: readonly number[];
  } = {},
): Promise<TestPlane> {
  const home = await mkdtemp(join(tmpdir(), "cellplane-plane-"));
  const { url: databaseUrl } = await postgres.freshDatabase();
  const token = `cpo_${randomBytes(32).toString("base64url")}`;
  const config = loadConfig({
    PORT: "0",
    DATABASE_URL: databaseUrl,
    HOME_DIRECTORY: home,
    KEY_FILE: join(home, "keys/control-plane.pem"),
    PUBLISHER_KEY_FILE: join(home, "keys/publisher.pem"),
    OPERATOR_TOKEN_DIGEST: sha256(token),
    TEMPORAL_ADDRESS: options.temporal ?? "",
    DASHBOARD_DIRECTORY: join(home, "dashboard"),
    LOG_LEVEL: "silent",
  });
  const log = createLog("control-plane", "silent");
  const shutdown = new Shutdown(log);
  const { creationWaitMs = 5_000, webhookPauses } = options;
  const plane = await startPlane(config, log, shutdown, {
    creationWaitMs,
    ...(webhookPauses === undefined ? {} : { webhookPauses }),
  });
  const call: TestPlane["call"] = async (method, path, body, headers = {}) => {
    const json = body !== undefined && typeof body !== "string" && !(body instanceof Uint8Array);
    const response = await fetch(new URL(path, plane.url), {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(json ? { "content-type": "application/json" } : {}),
        ...headers,
      },
      ...(body === undefined ? {} : { body: json ? JSON.stringify(body) : (body as string | Uint8Array<ArrayBuffer>) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: (text.startsWith("{") ? JSON.parse(text) : { text }) as Record<string, unknown>,
    };
  };
  return {
    ...plane,
    token,
    databaseUrl,
    call,
    key: loadSigningKey(config.KEY_FILE),
    publisherKey: loadSigningKey(config.PUBLISHER_KEY_FILE),
    async stop() {
      if (!(await shutdown.run("test"))) throw new Error("the control plane did not stop cleanly");
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** A cell's admin API as far as the control plane uses it, on a real socket: it checks tokens and keeps leases. */
export interface TestCell {
  readonly id: string;
  readonly key: SigningKey;
  readonly registration: RegisterCell;
  /** Calls as they came: method and path. */
  readonly calls: string[];
  readonly leases: Map<string, Record<string, unknown>>;
  /** While set, nothing is answered. */
  dead: boolean;
  /** Answers what is asked about jobs: method, the rest of the path, and the body. */
  jobs: (method: string, path: string, body: unknown) => { readonly status: number; readonly body: unknown };
  stop(): Promise<void>;
}

export async function startTestCell(id: string, region: string, planeKey: () => SigningKey): Promise<TestCell> {
  const key = generateSigningKey();
  const calls: string[] = [];
  const leases = new Map<string, Record<string, unknown>>();
  const state: Pick<TestCell, "dead" | "jobs"> = { dead: false, jobs: () => ({ status: 404, body: {} }) };
  const server: Server = createServer((request, response) => {
    if (state.dead) return void request.socket.destroy();
    void answer(request).then(({ status, body }) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body)),
    );
  });
  const answer = async (request: IncomingMessage): Promise<{ status: number; body: unknown }> => {
    const path = request.url ?? "/";
    if (path === "/readyz") return { status: 200, body: {} };
    await verifyToken(request.headers.authorization?.slice(7) ?? "", {
      type: "cp-command",
      schema: CommandToken,
      keys: (kid) => (kid === planeKey().kid ? planeKey().publicKey : undefined),
      audience: id,
      nowSeconds: Date.now() / 1000,
    });
    calls.push(`${request.method} ${path.replace(/[0-9a-f-]{36}/, ":tenant")}`);
    if (path === "/v1/status") return { status: 200, body: statusOf(id) };
    const jobs = /^\/v1\/tenants\/[0-9a-f-]{36}\/jobs(.*)$/.exec(path)?.[1];
    if (jobs !== undefined) {
      const text = await textOf(request);
      return state.jobs(request.method ?? "", jobs, text === "" ? undefined : JSON.parse(text));
    }
    const [, , , tenant = "", verb] = path.split("/");
    const body = JSON.parse(await textOf(request)) as Record<string, unknown>;
    if (verb === undefined) leases.set(tenant, { ...body, suspended: false });
    else leases.set(tenant, { ...leases.get(tenant), suspended: verb === "suspend", reason: body["reason"] ?? null });
    return { status: 200, body: leases.get(tenant) };
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const slot = { url, adminUrl: url, workerUrl: url };
  const registration = {
    id,
    region,
    slots: { a: slot, b: slot },
    liveSlot: "a",
    release: "pulse@1",
    publicKey: key.spki,
    capacity: { requestsPerSecond: 2000, tenants: 2000, storageBytes: 2 ** 39 },
  } as RegisterCell;
  return {
    id,
    key,
    registration,
    calls,
    leases,
    get dead() {
      return state.dead;
    },
    set dead(value) {
      state.dead = value;
    },
    get jobs() {
      return state.jobs;
    },
    set jobs(value) {
      state.jobs = value;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function statusOf(cell: string): unknown {
  return {
    cell,
    slot: "a",
    liveSlot: "a",
    phase: "live",
    release: "pulse@1",
    digest: "0".repeat(64),
    ready: true,
    problems: [],
    incarnation: "1",
    schema: { kit: 0, app: 1 },
    tenants: 0,
    connections: 0,
    inFlight: 0,
    fleetGeneration: null,
    queue: { outbox: 0, oldestSeconds: 0, dead: 0 },
    startedAt: new Date(0).toISOString(),
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8") as AsyncIterable<string>) text += chunk;
  return text;
}

/** A command token of a part for the control plane. */
export async function partToken(part: string, key: SigningKey): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return await signToken("cp-command", { iss: part, aud: "control-plane", iat: now, exp: now + 60 }, key);
}

/** A release of one program file and application migrations: number → text. */
export function manifestOf(
  name: string,
  migrations: Readonly<Record<number, string>> = { 1: "CREATE 1" },
): ReleaseManifest {
  const [application = "", version = ""] = name.split("@");
  const files = [
    { path: "api.mjs", text: `// ${name}` },
    ...Object.entries(migrations).map(([number, text]) => ({ path: `migrations/app/000${number}-m.expand.sql`, text })),
  ];
  return {
    name: releaseName(name),
    application,
    version,
    runtime: "v24.0.0",
    configuration: {},
    aggregates: [],
    files: files.map(({ path, text }) => ({ path, digest: sha256(text), bytes: text.length, executable: false })),
    migrations: Object.entries(migrations).map(([number, text]) => ({
      series: "app",
      number: Number(number),
      name: "m",
      class: "expand",
      digest: sha256(text),
    })),
  };
}

/** Sends the files that `manifestOf` named, then the manifest (or what is given in its place). */
export async function uploadRelease(
  plane: TestPlane,
  manifest: ReleaseManifest,
  body: unknown = manifest,
): Promise<Answer> {
  const texts = [`// ${manifest.name}`, "CREATE 1", "CREATE 2", "CREATE other"];
  for (const text of texts) {
    const { status } = await plane.call("PUT", `/v1/blobs/${sha256(text)}`, new TextEncoder().encode(text), {
      "content-type": "application/octet-stream",
    });
    if (status !== 200) throw new Error(`a blob was answered ${status}`);
  }
  return await plane.call("POST", "/v1/releases", body);
}
