import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { root } from "../../scripts/lib/bootstrap.mjs";
import { TestFleet } from "../../tests/support/fleet.ts";
import { writeVariant } from "../../tests/support/variants.ts";
import type { Bench, BenchContext, Report, Row } from "../runner/contract.ts";
import { Generator } from "../runner/generator.ts";
import { quantileOf } from "../runner/statistics.ts";
import type { Customer, Order, Result } from "./load.ts";

const customers = ["ada", "bob", "cyd", "dee", "eli", "fay"];
/** What two cores carry beside the processes that a deployment starts; in all at least 20,000 requests. */
const perSecond = 250;
const leastRequests = 20_000;
const calmSeconds = { short: 10, full: 30 } as const;
const warmMs = 8_000;
const mostDeploys = 6;
const peer = "the same fleet before";

const policy = {
  canaryCells: 1,
  percentages: [34, 67, 100],
  bakeSeconds: [4],
  timeScale: 1,
  minimumSamples: 40,
  p99ObjectiveMs: 5_000,
  judging: { latencyRatio: 100, trafficShare: 0 },
};

// A stream that ticks and goes on where it was, and a socket that says everything again.
const imports = `import { sendEvents } from "cellplane/kit";
const pause = (ms) => new Promise((done) => setTimeout(done, ms));`;
const routes = `
    server.get("/v1/ticks", async (request, reply) => sendEvents(request, reply, async (stream) => {
      let tick = Number(stream.lastEventId ?? "0");
      do { tick += 1; await pause(100); } while (await stream.send({ id: String(tick), data: tick }));
    }));
    server.get("/v1/echo", { websocket: true }, (socket) => { socket.on("message", (said) => socket.send(said.toString())); });`;

async function run(context: BenchContext): Promise<Report> {
  const migration = readFileSync(join(root, "cells/pulse/migrations/0001-events.expand.sql"), "utf8");
  const source = (version: string): string =>
    writeVariant(context.folder, { version, imports, routes, beforeEach: `void "release ${version}";` }, migration);
  const policyFile = join(context.folder, "policy.json");
  writeFileSync(policyFile, JSON.stringify(policy));
  const fleet = await TestFleet.start(["--app", source("1"), "--no-demo"]);
  const load = new Generator<Order, Result>(join(import.meta.dirname, "load.ts"));
  try {
    await fleet.json(["release", "create", source("2"), "--version", "2"]);
    const tenants: Customer[] = [];
    for (const slug of customers)
      tenants.push(await fleet.json<Customer & object>(["tenant", "create", slug, "--tier", "enterprise"]));
    const start = { kind: "start", port: await fleet.routerPort(), customers: tenants, perSecond } as const;

    // Warm first: what a process does for the first time is no measure of what it does.
    await load.run(start);
    await sleep(warmMs);
    await load.run({ kind: "stop" });
    await load.run(start);
    await sleep(calmSeconds[context.short ? "short" : "full"] * 1_000);
    const before = await load.run({ kind: "stop" });

    const results: Result[] = [];
    let deploys = 0;
    await load.run(start);
    const began = performance.now();
    while (((performance.now() - began) / 1_000) * perSecond < leastRequests && deploys < mostDeploys) {
      const to = deploys % 2 === 0 ? "pulse@2" : "pulse@1";
      await fleet.json(["rollout", "start", to, "--policy", policyFile, "--watch"]);
      deploys += 1;
      context.say(`  ${to} is everywhere after ${((performance.now() - began) / 1_000).toFixed(0)} s`);
    }
    results.push(await load.run({ kind: "stop" }));
    return report(before, results[0] ?? before, deploys);
  } finally {
    await load.stop();
    await fleet.remove();
  }
}

function report(before: Result, during: Result, deploys: number): Report {
  const rows = ([0.5, 0.99] as const).flatMap((q): Row[] => {
    const [calm, busy] = [quantileOf(before.latencies, q), quantileOf(during.latencies, q)];
    const size = `p${q * 100} of an answer, ${perSecond} requests a second`;
    const row = (contender: string, ms: number, ratio: string): Row => {
      const text = `${ms.toFixed(1)} ms`;
      return { contender, size, median: text, min: text, max: text, ratio };
    };
    return [row("Cellplane", busy, "1.00"), row(peer, calm, (busy / calm).toFixed(2))];
  });
  const { events, sockets } = during;
  const notes = [
    `${deploys} deployments of 3 cells, one after the other: ${during.sent} requests, ${during.failed} failed${during.example === null ? "" : ` (${during.example})`}; before, ${before.sent} and ${before.failed}.`,
    `${events.streams} streams of events ended and came again ${events.reconnected} times, ${events.broken} times not as they should; of ${events.heard} events ${events.skipped} were missed or told twice.`,
    `${sockets.streams} WebSockets were told to come again (1012) and did ${sockets.reconnected} times, ${sockets.broken} ended otherwise; ${sockets.heard} words came back.`,
    "A deployment starts two Node processes a cell on the same cores that serve and ask: most of the added latency is that.",
  ];
  const wrong = before.failed + during.failed + events.broken + events.skipped + sockets.broken;
  const enough = during.sent >= leastRequests ? 0 : 1;
  return { rows, notes, wrong: wrong + enough };
}

/** What customers feel of a deployment. */
const bench: Bench = {
  number: null,
  question:
    "Does any request fail while 3 cells are deployed to, one after the other, under load through the router? How much slower are answers then, and how do streams fare?",
  goal: "0 failed requests of at least 20,000; every stream comes again",
  peers: [],
  run,
};
export default bench;
