import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { root } from "../../scripts/lib/bootstrap.mjs";
import { Feed } from "../../tests/integration/router/feed.ts";
import { freePort } from "../../tests/support/ports.ts";
import type { Order } from "../kit/load.ts";
import type { LoopResult } from "../runner/closed-loop.ts";
import { Generator } from "../runner/generator.ts";
import { cores, pinned } from "../runner/pin.ts";
import { writeHaproxy, writeNginx } from "./configs.ts";
import { Contender } from "./contender.ts";
import { cellCount, cellOf, fleetRows, hostOf, keyOf } from "./fleet.ts";
import { proxyFolder } from "./peers.ts";

export type Side = "router" | "nginx" | "haproxy" | "httpProxy";

/**
 * Tenants that ask, of all that are in the table: so few that each asks often enough to spread the signing of its assertion, once in 40 s, as
 * thinly as at a whole core's speed.
 */
const asking = 500;

/** Four cells and a generator on the others' core; the contenders side by side on the subject's, one at work at a time. */
export class Stage {
  wrong = 0;
  example: string | null = null;
  readonly #load = new Generator<Order, LoopResult>(join(import.meta.dirname, "../kit/load.ts"));
  readonly #feed: Feed;
  readonly #cells: ChildProcess;
  readonly #contenders: Readonly<Record<Side, Contender>>;

  private constructor(feed: Feed, cells: ChildProcess, contenders: Readonly<Record<Side, Contender>>) {
    this.#feed = feed;
    this.#cells = cells;
    this.#contenders = contenders;
  }

  static async start(folder: string): Promise<Stage> {
    const firstCell = await freeBlock();
    const [command, args] = pinned(cores.others, process.execPath, [
      join(import.meta.dirname, "cells.ts"),
      String(firstCell),
    ]);
    const cells = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"] });
    const feed = new Feed(fleetRows(firstCell));
    await feed.start();
    const [router, nginx, haproxy, httpProxy] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    const environment = {
      PORT: String(router),
      KEY_FILE: join(folder, "router.pem"),
      FLEET_URL: feed.url,
      FLEET_TRUST_KEYS: feed.key.spki,
      FLEET_DIRECTORY: join(folder, "fleet"),
      LOG_LEVEL: "warn",
    };
    const proxy = join(import.meta.dirname, "fastify-proxy.ts");
    const contenders = {
      router: new Contender(router, process.execPath, ["router/main.ts"], { cwd: root, env: environment }),
      nginx: new Contender(nginx, "nginx", ["-c", writeNginx(folder, nginx, firstCell)]),
      haproxy: new Contender(haproxy, "haproxy", ["-f", writeHaproxy(folder, haproxy, firstCell)]),
      httpProxy: new Contender(httpProxy, process.execPath, [proxy, proxyFolder, String(httpProxy), String(firstCell)]),
    };
    for (const contender of Object.values(contenders)) await contender.ready();
    const stage = new Stage(feed, cells, contenders);
    await stage.#untilRouted();
    return stage;
  }

  /** Right answers for each second of CPU that the proxy used. */
  async measure(
    side: Side,
    bodyBytes: number,
    times: { inFlight: number; warmMs: number; measureMs: number },
  ): Promise<number> {
    const contender = this.#contenders[side];
    const before = contender.cpuSeconds();
    const result = await this.#load.run({ ...times, port: contender.port, requests: requestsTo(side, bodyBytes) });
    this.wrong += result.wrong;
    this.example ??= result.example;
    return result.all / (contender.cpuSeconds() - before);
  }

  async stop(): Promise<void> {
    await this.#load.stop();
    for (const contender of Object.values(this.#contenders)) await contender.stop();
    await this.#feed.stop();
    this.#cells.kill("SIGTERM");
  }

  /** The router answers before it has its table. */
  async #untilRouted(): Promise<void> {
    for (;;) {
      const times = { inFlight: 1, warmMs: 0, measureMs: 100 };
      const port = this.#contenders.router.port;
      const { answered, wrong } = await this.#load.run({
        ...times,
        port,
        requests: requestsTo("router", 0).slice(0, 1),
      });
      if (answered > 0 && wrong === 0) return;
      await sleep(200);
    }
  }
}

/** The same request to all; only ours makes an assertion of it. */
function requestsTo(side: Side, bodyBytes: number): Order["requests"] {
  return Array.from({ length: asking }, (_, tenant) => ({
    method: bodyBytes > 0 ? "POST" : "GET",
    path: "/v1/stats?bucket=hour",
    headers: {
      host: hostOf(tenant),
      "user-agent": "bench/1",
      accept: "application/json",
      "accept-encoding": "gzip",
      authorization: `Bearer ${keyOf(tenant)}`,
    },
    ...(bodyBytes > 0 ? { body: "b".repeat(bodyBytes) } : {}),
    status: 200,
    contains: JSON.stringify({
      cell: cellOf(tenant),
      host: hostOf(tenant),
      assertion: side === "router",
      bytes: bodyBytes,
    }),
  }));
}

/** Free ports one behind the other, for the cells. */
async function freeBlock(): Promise<number> {
  const first = await freePort();
  return first + cellCount < 65_000 ? first : freeBlock();
}
