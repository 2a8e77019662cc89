import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { runCommandLine } from "../../../cli/run.ts";
import type { FleetFile } from "../../../common/contracts/home.ts";
import type { Rollout } from "../../../common/contracts/rollout.ts";
import { cellId, operationId, releaseName } from "../../../common/ids.ts";

export const token = "cpo_test-token";

/** A fleet of two cells whose control plane is said to be at that address. */
export function fleetFile(controlPlane = "http://127.0.0.1:9"): FleetFile {
  const slot = (base: number) => ({ api: base, admin: base + 1, worker: base + 2 });
  const cell = (number: number) => ({
    id: cellId(`cell-${number}`),
    region: number % 2 === 1 ? "eu" : "us",
    ports: {
      postgres: 21_000 + number * 20,
      redis: 21_001 + number * 20,
      slots: { a: slot(21_002 + number * 20), b: slot(21_006 + number * 20) },
    },
  });
  return {
    version: 1,
    baseDomain: "cellplane.localhost",
    application: "pulse",
    applicationDirectory: null,
    firstRelease: releaseName("pulse@1"),
    demo: true,
    ports: {
      router: 8080,
      routerAdmin: 8082,
      controlPlane: 8081,
      registry: 20_001,
      aggregator: 20_002,
      aggregatorDatabase: 20_003,
      worker: 20_004,
      temporal: 20_005,
      temporalUi: 20_006,
      feeder: null,
    },
    urls: {
      router: "http://127.0.0.1:8080",
      routerAdmin: "http://127.0.0.1:8082",
      controlPlane,
      dashboard: controlPlane,
      aggregator: "http://127.0.0.1:20002",
      worker: "http://127.0.0.1:20004",
      temporal: { address: "127.0.0.1:20005", ui: "http://127.0.0.1:20006" },
    },
    cells: [cell(1), cell(2)],
    createdAt: "2026-01-01T00:00:00.000Z",
  };
}

/** A fleet's home in a temporary folder, gone when the test it was made for is over. */
export class TestHome {
  readonly path = mkdtempSync(join(tmpdir(), "cellplane-cli-"));

  constructor(test: Pick<TestContext, "after"> | null) {
    test?.after(() => this.remove());
  }

  write(name: string, content: unknown): this {
    const path = join(this.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
    return this;
  }

  /** The file and the token that `npm start` would leave. */
  ofFleet(controlPlane?: string): this {
    return this.write("fleet.json", fleetFile(controlPlane)).write("secrets/operator-token", `${token}\n`);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly authorization: string | undefined;
}
export interface Reply {
  readonly status?: number;
  readonly body: unknown;
}

/** A stand-in for the control plane, until the test is over: answers as told and remembers what it was asked. */
export async function fakeControlPlane(
  test: Pick<TestContext, "after">,
  answer: (call: Call) => Reply | Promise<Reply>,
) {
  const calls: Call[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const call = {
        method: request.method ?? "",
        path: request.url ?? "",
        body: await bodyOf(request),
        authorization: request.headers.authorization,
      };
      calls.push(call);
      const { status = 200, body } = await answer(call);
      response.writeHead(status, { "content-type": status < 400 ? "application/json" : "application/problem+json" });
      response.end(body === null ? "" : JSON.stringify(body));
    })();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
  };
  test.after(close);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls, close };
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8") as AsyncIterable<string>) text += chunk;
  return text === "" ? undefined : (JSON.parse(text) as unknown);
}

/** Runs one command line in this process and collects what it wrote. */
export async function cellplane(home: string, ...argv: string[]) {
  let stdout = "";
  let stderr = "";
  const exit = await runCommandLine(argv, {
    settings: { home, decorated: false },
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  });
  return {
    exit,
    stdout,
    stderr,
    json: () => JSON.parse(stdout) as Record<string, unknown>,
    /** Of a pipe that is told changes: a document a line. */
    lines: () =>
      stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

/** A problem document as the control plane sends it. */
export function problem(status: number, code: string, detail = "why it is so"): Reply {
  return {
    status,
    body: { type: `https://cellplane.dev/errors#${code}`, title: "A title", status, code, detail, todo: "What to do." },
  };
}

const hash = "a".repeat(64);
const rolloutId = operationId("01980c2e-7c3f-7b1e-9d3f-4d8f0f6a2b11");

/** A rollout of pulse@2 over two cells, in its first wave. */
export function rollout(changes: Partial<Rollout> = {}): Rollout {
  const [one, two] = [cellId("cell-1"), cellId("cell-2")];
  const [from, to] = [releaseName("pulse@1"), releaseName("pulse@2")];
  const planned = (number: number, cell: typeof one) => ({
    number,
    cells: [{ cell, from, to, tenants: 3 }],
    bakeSeconds: 10,
    tenantsAtRisk: { free: 3 },
  });
  return {
    id: rolloutId,
    application: "pulse",
    release: to,
    state: "deploying",
    waitingFor: null,
    paused: false,
    reason: null,
    revision: 1,
    wave: 1,
    plan: {
      application: "pulse",
      release: to,
      digest: hash,
      migrationClass: "expand",
      waves: [planned(1, one), planned(2, two)],
      policy: {
        canaryCells: 1,
        percentages: [100],
        bakeSeconds: [10],
        timeScale: 1,
        successObjective: 0.999,
        p99ObjectiveMs: 500,
        minimumSamples: 100,
        hardFailuresInARow: 3,
      },
      expectedSeconds: 60,
      hash,
    },
    waves: [
      { number: 1, state: "deploying", cells: [one], bakeEndsAt: null },
      { number: 2, state: "pending", cells: [two], bakeEndsAt: null },
    ],
    cells: [
      { cell: one, wave: 1, step: "starting", from, to, error: null },
      { cell: two, wave: 2, step: "pending", from, to, error: null },
    ],
    history: [],
    requestedBy: "operator",
    createdAt: "2026-01-01T00:00:00.000Z",
    updatedAt: "2026-01-01T00:00:05.000Z",
    ...changes,
  };
}
