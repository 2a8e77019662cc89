import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { root } from "../../scripts/lib/bootstrap.mjs";
import { routerFlags } from "../../scripts/lib/router-flags.ts";
import { Feed } from "../../tests/integration/router/feed.ts";
import { freePort } from "../../tests/support/ports.ts";
import { Generator } from "../runner/generator.ts";
import { cores, pinned } from "../runner/pin.ts";
import { keepAwake } from "./awake.ts";
import { writeCells, writeHaproxy, writeNginx } from "./configs.ts";
import { Contender } from "./contender.ts";
import { bulkTenant, cellCount, fleetRows, hostOf, keyOf } from "./fleet.ts";
import { proxyFolder } from "./peers.ts";
import type { SocketOrder, SocketResult } from "./socket-load.ts";
import { askWithWrk, type Asking } from "./wrk.ts";

export const sides = ["router", "nginx", "haproxy", "httpProxy"] as const;
export type Side = (typeof sides)[number];

export interface Measured {
  /** Right answers for each second of CPU that the proxy used. */
  readonly perCpuSecond: number;
  /** Right answers for each second on the clock. */
  readonly perSecond: number;
}

/** Cells and generator on the others' core; the contenders side by side on the subject's, one at work at a time. */
export class Stage {
  wrong = 0;
  example: string | null = null;
  readonly folder: string;
  readonly contenders: Readonly<Record<Side, Contender>>;
  /** Whether idle cores may halt. */
  readonly halting: boolean;
  readonly #feed: Feed;
  readonly #cells: readonly ChildProcess[];
  readonly #sleepAgain: (() => void) | null;
  readonly #firstCell: number;
  readonly #sockets = new Generator<SocketOrder, SocketResult>(join(import.meta.dirname, "socket-load.ts"));

  private constructor(
    folder: string,
    firstCell: number,
    feed: Feed,
    cells: readonly ChildProcess[],
    contenders: Stage["contenders"],
  ) {
    this.folder = folder;
    this.#firstCell = firstCell;
    this.#feed = feed;
    this.#cells = cells;
    this.contenders = contenders;
    this.#sleepAgain = keepAwake();
    this.halting = this.#sleepAgain === null;
  }

  /** @param wanted the contenders that are started; the others are not asked. @param settings more of the router's. */
  static async start(
    folder: string,
    wanted: readonly Side[] = sides,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<Stage> {
    const firstCell = await freeBlock();
    const bulk = join(import.meta.dirname, "bulk-cell.ts");
    const cells = [
      ["nginx", ["-c", writeCells(folder, firstCell)]],
      [process.execPath, [bulk, String(firstCell + cellCount)]],
    ].map(([program, args]) => {
      const [command, all] = pinned(cores.others, program as string, args as string[]);
      return spawn(command, all, { stdio: ["ignore", "ignore", "inherit"] });
    });
    const feed = new Feed(fleetRows(firstCell));
    await feed.start();
    const contenders = {} as Record<Side, Contender>;
    for (const side of wanted) contenders[side] = contend(side, folder, await freePort(), firstCell, feed, settings);
    for (const contender of Object.values(contenders)) await contender.ready();
    const stage = new Stage(folder, firstCell, feed, cells, contenders);
    await stage.#untilRouted();
    return stage;
  }

  async measure(side: Side, asking: Asking, load: { inFlight: number; seconds: number }): Promise<Measured> {
    const contender = this.contenders[side];
    const before = contender.cpuSeconds();
    const result = await askWithWrk(this.folder, contender.port, asking, load);
    this.wrong += result.wrong;
    this.example ??= result.example;
    const perCpuSecond = result.answered / (contender.cpuSeconds() - before);
    return { perCpuSecond, perSecond: result.answered / load.seconds };
  }

  /** Frames echoed over WebSockets, by the bulk cell. */
  async measureSockets(side: Side, load: { inFlight: number; seconds: number }): Promise<Measured> {
    const contender = this.contenders[side];
    const before = contender.cpuSeconds();
    const authorization = `Bearer ${keyOf(bulkTenant)}`;
    const result = await this.#sockets.run({ ...load, port: contender.port, host: hostOf(bulkTenant), authorization });
    this.wrong += result.wrong;
    this.example ??= result.example;
    const perCpuSecond = result.answered / (contender.cpuSeconds() - before);
    return { perCpuSecond, perSecond: result.answered / load.seconds };
  }

  /** Where a cell itself listens. */
  cellPort(cell: number): number {
    return this.#firstCell + cell;
  }

  async stop(): Promise<void> {
    await this.#sockets.stop();
    for (const contender of Object.values(this.contenders)) await contender.stop();
    await this.#feed.stop();
    for (const cell of this.#cells) cell.kill("SIGTERM");
    this.#sleepAgain?.();
  }

  /** The router answers before it has its table. */
  async #untilRouted(): Promise<void> {
    const { port } = this.contenders.router;
    const asking = askingFor({ method: "GET", path: "/", bodyBytes: 0, assertion: true });
    for (;;) {
      const { answered, wrong } = await askWithWrk(this.folder, port, asking, { inFlight: 1, seconds: 1 });
      if (answered > 0 && wrong === 0) return;
      await sleep(200);
    }
  }
}

/**
 * Tenants that ask, of all that are in the table: so few that each asks often enough to spread the signing of its assertion, once in 40 s, as
 * thinly as at a whole core's speed.
 */
const asking = 500;

/** The same request to all; only ours makes an assertion of it. */
export function askingFor(order: {
  method: "GET" | "POST";
  path: string;
  bodyBytes: number;
  assertion: boolean;
  lines?: readonly string[];
}): Asking {
  const named = `cell == tenant % ${cellCount} and body:find('"assertion":${order.assertion}', 1, true)`;
  return { lines: [], ...order, tenants: [0, asking], right: `status == 200 and tenant and ${named}` };
}

function contend(
  side: Side,
  folder: string,
  port: number,
  firstCell: number,
  feed: Feed,
  settings: Readonly<Record<string, string>>,
): Contender {
  switch (side) {
    case "router": {
      const env = {
        PORT: String(port),
        KEY_FILE: join(folder, "router.pem"),
        FLEET_URL: feed.url,
        FLEET_TRUST_KEYS: feed.key.spki,
        FLEET_DIRECTORY: join(folder, "fleet"),
        LOG_LEVEL: "warn",
        ...settings,
      };
      return new Contender(port, process.execPath, [...routerFlags, "router/main.ts"], { cwd: root, env });
    }
    case "nginx":
      return new Contender(port, "nginx", ["-c", writeNginx(folder, port, firstCell)]);
    case "haproxy":
      return new Contender(port, "haproxy", ["-f", writeHaproxy(folder, port, firstCell)]);
    case "httpProxy": {
      const program = join(import.meta.dirname, "fastify-proxy.ts");
      return new Contender(port, process.execPath, [program, proxyFolder, String(port), String(firstCell)]);
    }
    default:
      return side satisfies never;
  }
}

/** Free ports one behind the other, for the cells. */
async function freeBlock(): Promise<number> {
  const first = await freePort();
  return first + cellCount < 65_000 ? first : freeBlock();
}
