import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { root } from "../../scripts/lib/bootstrap.mjs";
import { routerFlags } from "../../scripts/lib/router-flags.ts";
import { Feed } from "../../tests/integration/router/feed.ts";
import { freePort } from "../../tests/support/ports.ts";
import type { Bench, Row } from "../runner/contract.ts";
import { Generator } from "../runner/generator.ts";
import { cores, pinned } from "../runner/pin.ts";
import { quantileOf, spreadOf } from "../runner/statistics.ts";
import { cellOf, fleetRows, tenantCount, tenantRow } from "./fleet.ts";
import { openSockets, residentBytes } from "./process.ts";
import type { Order, Result } from "./traffic.ts";

const seconds = { short: 60, full: 600 } as const;
/** A day of a router that has a hundred requests a second. */
const aDayOfRequests = 24 * 3600 * 100;
const lookEveryMs = 1_000;
const changeEveryMs = 500;
/** Idle connections to cells are kept 30 s, those of clients that wait for nothing 5 s. */
const quietWithinMs = 60_000;
/** The heap grows to its working size at first. */
const warmShare = 0.4;
const mostGrowth = { short: 1.25, full: 1.1 } as const;
const readyWithinMs = 60_000;

interface Look {
  readonly at: number;
  readonly rss: number;
  readonly sockets: number;
}

export default {
  number: null,
  question:
    "Does a router stay as it is? A day of mixed traffic in ten minutes: keep-alive and new connections, bodies of all sizes, event streams and WebSockets, clients that leave, drip, or send rubbish, cells whose connections break, a fleet document that changes twice a second.",
  goal: "memory flat (the last third within 10 % of the middle one), no socket left when all clients are gone, every answer right",
  peers: [],
  async run(context) {
    const firstPort = await freePort();
    const spawned = (core: number, args: readonly string[], env?: NodeJS.ProcessEnv) => {
      const [command, all] = pinned(core, process.execPath, args);
      return spawn(command, all, {
        cwd: root,
        stdio: ["ignore", "ignore", "inherit"],
        ...(env === undefined ? {} : { env }),
      });
    };
    const feed = new Feed(fleetRows(firstPort));
    await feed.start();
    const [port, adminPort] = [await freePort(), await freePort()];
    const cells = spawned(cores.others, ["bench/soak/cells.ts", String(firstPort)]);
    const router = spawned(cores.subject, [...routerFlags, "router/main.ts"], {
      PATH: process.env["PATH"],
      PORT: String(port),
      ADMIN_PORT: String(adminPort),
      KEY_FILE: join(context.folder, "router.pem"),
      FLEET_URL: feed.url,
      FLEET_TRUST_KEYS: feed.key.spki,
      FLEET_DIRECTORY: join(context.folder, "fleet"),
      LOG_LEVEL: "silent",
      TOP_TENANTS: "10",
    });
    const traffic = new Generator<Order, Result>(join(import.meta.dirname, "traffic.ts"));
    try {
      await ready(adminPort);
      const pid = router.pid ?? 0;
      await sleep(1_000);
      const before = openSockets(pid);
      const looks: Look[] = [];
      const changes = changing(feed);
      const looking = setInterval(() => {
        looks.push({ at: performance.now(), rss: residentBytes(pid), sockets: openSockets(pid) });
      }, lookEveryMs);
      const length = context.short ? seconds.short : seconds.full;
      const result = await traffic.run({ port, seconds: length });
      clearInterval(looking);
      clearInterval(changes);
      const left = await socketsLeft(pid, before);
      return report(result, looks, left, length, context.short);
    } finally {
      await traffic.stop();
      for (const child of [router, cells]) {
        const gone = once(child, "exit");
        child.kill("SIGKILL");
        await gone;
      }
      await feed.stop();
    }
  },
} satisfies Bench;

function report(result: Result, looks: readonly Look[], left: number, length: number, short: boolean) {
  const warm = looks.slice(Math.floor(looks.length * warmShare));
  const half = Math.floor(warm.length / 2);
  const median = (part: readonly Look[]) =>
    quantileOf(
      part.map(({ rss }) => rss),
      0.5,
    );
  const growth = median(warm.slice(half)) / median(warm.slice(0, half));
  const flat = growth <= (short ? mostGrowth.short : mostGrowth.full);
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  const row = (size: string, figures: readonly number[], show: (figure: number) => string): Row => {
    const { median: middle, min, max } = spreadOf(figures);
    return { contender: "Cellplane", size, median: show(middle), min: show(min), max: show(max), ratio: "1.00" };
  };
  const kinds = Object.entries(result.kinds).map(([kind, count]) => `${kind} ${count.toLocaleString("en")}`);
  return {
    rows: [
      row(
        "resident memory",
        warm.map(({ rss }) => rss),
        mb,
      ),
      row(
        "open sockets",
        warm.map(({ sockets }) => sockets),
        String,
      ),
    ],
    notes: [
      `${result.sent.toLocaleString("en")} requests in ${length} s, ${(result.sent / aDayOfRequests).toFixed(2)} of a day at 100 a second: ${kinds.join("; ")}.`,
      `${result.wrong} wrong answers${result.example === null ? "" : ` (${result.example})`}; ${result.unlucky.toLocaleString("en")} requests met a cell whose connections were just broken (502, 503, or cut off).`,
      `Memory after warming up: ${growth.toFixed(3)} of what it was, ${flat ? "flat" : "NOT FLAT"}; ${left} sockets left when all clients were gone.`,
    ],
    wrong: result.wrong + left + (flat ? 0 : 1),
  };
}

/** Changes tenants, adds and removes some, twice a second; now and then the stream breaks. */
function changing(feed: Feed): NodeJS.Timeout {
  let n = 0;
  return setInterval(() => {
    n += 1;
    const tenant = n % tenantCount;
    const [name, row] = tenantRow(tenant, { cell: cellOf(tenant), epoch: 1, reason: `change ${n}` });
    const [passing, passer] = tenantRow(tenantCount + (n % 50));
    feed.publish({ [name]: row, [passing]: n % 100 < 50 ? passer : null });
    if (n % 20 === 0) feed.cut();
  }, changeEveryMs);
}

async function socketsLeft(pid: number, before: number): Promise<number> {
  const end = performance.now() + quietWithinMs;
  while (openSockets(pid) > before && performance.now() < end) await sleep(200);
  return Math.max(0, openSockets(pid) - before);
}

async function ready(adminPort: number): Promise<void> {
  const end = performance.now() + readyWithinMs;
  for (;;) {
    try {
      const response = await fetch(`http://127.0.0.1:${adminPort}/readyz`, { headers: { connection: "close" } });
      await response.body?.cancel();
      if (response.ok) return;
    } catch (cause) {
      if (performance.now() > end) throw new Error("the router does not become ready", { cause });
    }
    await sleep(50);
  }
}
