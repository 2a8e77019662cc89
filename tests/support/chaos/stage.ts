import { mkdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { sha256 } from "../../../common/canonical.ts";
import type { Rollout } from "../../../common/contracts/rollout.ts";
import { cellId } from "../../../common/ids.ts";
import { generateSigningKey } from "../../../common/keys.ts";
import { connect } from "../../../common/postgres/pool.ts";
import { findTemporal } from "../../../scripts/setup/temporal.ts";
import { manifestOf } from "../../integration/control-plane/support.ts";
import { freePort } from "../ports.ts";
import { startPostgres, type TestPostgres } from "../postgres.ts";
import { type DriverStep, SimulatedCells } from "../simulated-cells.ts";
import { serve, type Served } from "./remote.ts";
import { Victim } from "./victim.ts";
import type { Gate } from "./worker.ts";

/** Who may be killed. */
export const victimNames = ["worker", "temporal", "control-plane"] as const;
export type VictimName = (typeof victimNames)[number];

export interface ChaosOptions {
  readonly cells: number;
  /** Where data and logs are kept. */
  readonly folder: string;
  readonly stepMs: (step: DriverStep) => number;
}

const token = `cpo_${"chaos".repeat(8)}`;
const answerLimitMs = 60_000;
const texts = (version: number): string[] => [`// pulse@${version}`, "CREATE 1"];

/**
 * Control plane, workflow worker and Temporal as processes that can be killed, on a real registry. The cells are models in this process, so that what was
 * done to them is known exactly.
 */
export class ChaosStage {
  readonly cells: SimulatedCells;
  readonly victims: Readonly<Record<VictimName, Victim>>;
  /** Called at each activity's beginning and end; who does not return keeps it there. */
  atGate: Gate["pass"] = async () => undefined;
  readonly #postgres: TestPostgres;
  readonly #served: Served;
  readonly #url: string;
  readonly #databaseUrl: string;

  private constructor(
    cells: SimulatedCells,
    postgres: TestPostgres,
    make: (models: string) => Readonly<Record<VictimName, Victim>>,
    served: Served,
    url: string,
    databaseUrl: string,
  ) {
    this.cells = cells;
    this.#postgres = postgres;
    this.#served = served;
    this.#url = url;
    this.#databaseUrl = databaseUrl;
    this.victims = make(served.url);
  }

  static async open({ cells: count, folder, stepMs }: ChaosOptions): Promise<ChaosStage> {
    const temporal = findTemporal();
    if (temporal.kind !== "program") throw new Error("Temporal's dev server is missing: `npm test` brings it");
    mkdirSync(folder, { recursive: true });
    const ids = Array.from({ length: count }, (_, n) => cellId(`cell-${n + 1}`));
    const manifests = [1, 2].map((version) => manifestOf(`pulse@${version}`));
    const all = new Map([...texts(1), ...texts(2)].map((text) => [sha256(text), text]));
    const cells = new SimulatedCells({
      cells: ids,
      releases: manifests,
      stepMs,
      read: async (digest) =>
        (async function* content() {
          yield Buffer.from(all.get(digest) ?? "");
        })(),
    });
    await cells.provision();
    const postgres = await startPostgres();
    const { url: databaseUrl } = await postgres.freshDatabase();
    const [temporalPort, planePort] = [await freePort(), await freePort()];
    const stage: { gate: Gate["pass"] } = { gate: async () => undefined };
    const served = await serve({
      driver: { ...cells.driver },
      synthetic: { ...cells.synthetic },
      parts: { ...cells.parts },
      gate: {
        pass: (activity: string, cell: string | null, when: "before" | "after") => stage.gate(activity, cell, when),
      },
    });
    const log = (name: string): string => join(folder, `${name}.log`);
    const address = `127.0.0.1:${temporalPort}`;
    const node = (name: VictimName, file: string, args: string[], env: NodeJS.ProcessEnv = {}): Victim =>
      new Victim(name, process.execPath, [file, ...args], log(name), env);
    const database = join(folder, "temporal.db");
    const serverArgs = ["server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", String(temporalPort)];
    const opened = new ChaosStage(
      cells,
      postgres,
      (models) => ({
        temporal: new Victim(
          "temporal",
          temporal.path,
          [...serverArgs, "--db-filename", database, "--log-level", "warn"],
          log("temporal"),
        ),
        worker: node("worker", "tests/support/chaos/worker.ts", [address, databaseUrl, models]),
        "control-plane": node("control-plane", "control-plane/main.ts", [], {
          PORT: String(planePort),
          DATABASE_URL: databaseUrl,
          HOME_DIRECTORY: join(folder, "home"),
          KEY_FILE: join(folder, "home/control-plane.pem"),
          PUBLISHER_KEY_FILE: join(folder, "home/publisher.pem"),
          OPERATOR_TOKEN_DIGEST: sha256(token),
          TEMPORAL_ADDRESS: address,
        }),
      }),
      served,
      `http://127.0.0.1:${planePort}`,
      databaseUrl,
    );
    stage.gate = (...args) => opened.atGate(...args);
    for (const name of victimNames) await opened.victims[name].start();
    for (const [n, manifest] of manifests.entries()) {
      for (const text of texts(n + 1)) await opened.call("PUT", `/v1/blobs/${sha256(text)}`, Buffer.from(text));
      await opened.call("POST", "/v1/releases", manifest);
    }
    for (const id of ids) await opened.call("POST", "/v1/cells", registration(id, served.url));
    return opened;
  }

  /** Asks the control plane, again and again while it is dead. @throws Error with what it answered, where that was a refusal. */
  async call<Document>(method: string, path: string, body?: unknown): Promise<Document> {
    const until = performance.now() + answerLimitMs;
    const raw = body instanceof Uint8Array;
    const headers = {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": raw ? "application/octet-stream" : "application/json" }),
    };
    for (;;) {
      const content =
        body === undefined ? {} : { body: raw ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body) };
      const response = await fetch(`${this.#url}${path}`, { method, headers, ...content }).catch(() => null);
      if (response !== null && response.ok) return (await response.json()) as Document;
      // A call whose answer was lost with the control plane may have been heard.
      const text = response === null ? "nobody answers" : await response.text();
      const again = response === null || response.status === 503;
      if (!again || performance.now() > until) throw new Error(`${method} ${path}: ${response?.status ?? ""} ${text}`);
      await sleep(100);
    }
  }

  /** What the registry keeps beside the rollout itself: the fleet's release, and how many claims there are. */
  async registry(): Promise<{ readonly currentRelease: string | null; readonly claims: number }> {
    const client = await connect(this.#databaseUrl, "tests");
    try {
      const { rows } = await client.query<{ currentRelease: string | null; claims: number }>(
        `SELECT (SELECT current_release FROM settings) AS "currentRelease", (SELECT count(*)::int FROM claims) AS claims`,
      );
      return rows[0] ?? { currentRelease: null, claims: 0 };
    } finally {
      await client.end();
    }
  }

  latest(): Promise<Rollout> {
    return this.call<Rollout>("GET", "/v1/rollouts/latest");
  }

  async close(): Promise<void> {
    for (const name of victimNames) await this.victims[name].end();
    await this.#served.stop();
    await this.#postgres.stop();
  }
}

function registration(id: string, url: string): unknown {
  const slot = { url, adminUrl: url, workerUrl: url };
  return {
    id,
    region: "eu",
    slots: { a: slot, b: slot },
    liveSlot: "a",
    release: "pulse@1",
    publicKey: generateSigningKey().spki,
    capacity: { requestsPerSecond: 2_000, tenants: 2_000, storageBytes: 2 ** 39 },
  };
}
