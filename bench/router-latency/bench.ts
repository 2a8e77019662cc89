import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Bench, BenchContext, Row } from "../runner/contract.ts";
import { Generator } from "../runner/generator.ts";
import { spreadOf } from "../runner/statistics.ts";
import { watchSteal } from "../runner/steal.ts";
import { cellOf, hostOf, keyOf } from "../router/fleet.ts";
import { haproxy, nginx } from "../router/peers.ts";
import { askingFor, Stage, type Side } from "../router/stage.ts";
import { wrk } from "../router/wrk.ts";
import type { Order, Result } from "./load.ts";

/** Shares of what nginx can carry at most. */
const shares = [0.1, 0.2, 0.4] as const;
const contenders = ["direct", "router", "nginx", "haproxy"] as const;
type Contender = (typeof contenders)[number];
const names: Readonly<Record<Contender, string>> = {
  direct: "the direct way",
  router: "Cellplane",
  nginx: nginx.name,
  haproxy: haproxy.name,
};
const asking = 500;
/** A round in which the host took the CPU away is run again so often, in all. */
const mostThrownOut = 20;

const quantiles = ["p50", "p99", "p999"] as const;
type Rounds = Record<Contender, Result[]>;

export default {
  number: "p2",
  question:
    "What does the router add to the time of an answer, open loop (Poisson), at 10, 20 and 40 % of what nginx carries at most, everything on?",
  goal: "added p50 at most 1.15 × nginx's; p99 at most nginx's + 2 ms",
  peers: [nginx, haproxy, wrk],
  async run(context) {
    const stage = await Stage.start(context.folder, ["router", "nginx", "haproxy"]);
    const load = new Generator<Order, Result>(join(import.meta.dirname, "load.ts"));
    try {
      const get = (assertion: boolean) =>
        askingFor({ method: "GET", path: "/v1/stats?bucket=hour", bodyBytes: 0, assertion });
      await stage.measure("router", get(true), { inFlight: 64, seconds: 3 });
      const { perSecond: saturation } = await stage.measure("nginx", get(false), { inFlight: 64, seconds: 3 });
      const rows: Row[] = [];
      const notes = [`nginx carries ${Math.round(saturation).toLocaleString("en")} requests/s at most on its core.`];
      for (const share of shares) {
        const perSecond = Math.round(saturation * share);
        const rounds = await measure(stage, load, perSecond, context);
        const size = `${share * 100} % (${perSecond.toLocaleString("en")}/s)`;
        rows.push(...rowsOf(size, rounds));
        notes.push(verdictOf(size, rounds));
      }
      notes.push("Added: over the direct way in the same round; p99 below a few milliseconds is the host's noise.");
      if (availableParallelism() < 3)
        notes.push(
          "Generator and cells share a core here: where nginx's own median is in milliseconds, it is their wait for each other.",
        );
      if (stage.halting) notes.push("Idle cores could halt.");
      if (stage.example !== null) notes.push(`A wrong answer: ${stage.example.replaceAll(/\s+/g, " ")}`);
      return { rows, notes, wrong: stage.wrong };
    } finally {
      await load.stop();
      await stage.stop();
    }
  },
} satisfies Bench;

async function measure(
  stage: Stage,
  load: Generator<Order, Result>,
  perSecond: number,
  context: BenchContext,
): Promise<Rounds> {
  const rounds: Rounds = { direct: [], router: [], nginx: [], haproxy: [] };
  let thrownOut = 0;
  while (rounds.direct.length < context.pairs) {
    const stolen = watchSteal();
    const results = new Map<Contender, Result>();
    const order = rounds.direct.length % 2 === 0 ? contenders : contenders.toReversed();
    for (const contender of order) {
      const seconds = context.short ? 1 : 2;
      results.set(contender, await load.run({ perSecond, seconds, requests: requestsTo(stage, contender) }));
    }
    if (stolen() && thrownOut < mostThrownOut) {
      thrownOut += 1;
      continue;
    }
    for (const [contender, result] of results) {
      rounds[contender].push(result);
      stage.wrong += result.wrong;
      stage.example ??= result.example;
    }
  }
  context.say(
    `  ${perSecond}/s: ${contenders.map((each) => `${each} ${Math.round(medianOf(rounds[each], "p50"))}`).join(", ")} µs`,
  );
  return rounds;
}

function requestsTo(stage: Stage, contender: Contender): Order["requests"] {
  return Array.from({ length: asking }, (_, tenant) => {
    const port = contender === "direct" ? stage.cellPort(cellOf(tenant)) : stage.contenders[contender as Side].port;
    const fields = `host: ${hostOf(tenant)}\r\nuser-agent: bench/1\r\naccept: application/json\r\nauthorization: Bearer ${keyOf(tenant)}\r\n`;
    const contains = JSON.stringify({ cell: cellOf(tenant), host: hostOf(tenant), assertion: contender === "router" });
    return { port, text: `GET /v1/stats?bucket=hour HTTP/1.1\r\n${fields}\r\n`, contains };
  });
}

function rowsOf(size: string, rounds: Rounds): Row[] {
  return quantiles.flatMap((quantile) =>
    contenders.map((contender) => {
      const added = rounds[contender].map(
        (result, round) => result[quantile] - (contender === "direct" ? 0 : (rounds.direct[round]?.[quantile] ?? 0)),
      );
      const ours = rounds.router.map((result, round) => result[quantile] - (rounds.direct[round]?.[quantile] ?? 0));
      const { median, min, max } = spreadOf(added);
      const ratio =
        contender === "router" ? "1.00" : contender === "direct" ? "" : (spreadOf(ours).median / median).toFixed(2);
      const what = contender === "direct" ? quantile : `${quantile}, added`;
      const show = (us: number): string => `${Math.round(us).toLocaleString("en")} µs`;
      return {
        contender: names[contender],
        size: `${what}, at ${size}`,
        median: show(median),
        min: show(min),
        max: show(max),
        ratio,
      };
    }),
  );
}

function verdictOf(size: string, rounds: Rounds): string {
  const added = (contender: "router" | "nginx"): number =>
    medianOf(rounds[contender], "p50") - medianOf(rounds.direct, "p50");
  const ratio = added("router") / added("nginx");
  const later = (medianOf(rounds.router, "p99") - medianOf(rounds.nginx, "p99")) / 1_000;
  const met = ratio <= 1.15 && later <= 2 ? "met" : "not met";
  return `At ${size}: added p50 ${ratio.toFixed(2)} × nginx's, p99 nginx's ${later < 0 ? "−" : "+"} ${Math.abs(later).toFixed(2)} ms: the goal is ${met}.`;
}

function medianOf(results: readonly Result[], quantile: (typeof quantiles)[number]): number {
  return spreadOf(results.map((result) => result[quantile])).median;
}
