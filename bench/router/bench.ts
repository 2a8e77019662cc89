import { alternate } from "../runner/alternate.ts";
import type { Bench, Row } from "../runner/contract.ts";
import { haproxy, httpProxy, nginx } from "./peers.ts";
import { Stage, type Side } from "./stage.ts";

const peers: readonly (readonly [side: Side, name: string, goal: number])[] = [
  ["nginx", nginx.name, 0.75],
  ["haproxy", haproxy.name, 0.9],
  ["httpProxy", httpProxy.name, 6],
];
const sizes: readonly (readonly [name: string, inFlight: number, bodyBytes: number])[] = [
  ["GET, 8 in flight", 8, 0],
  ["GET, 64 in flight", 64, 0],
  ["POST of 1 KiB, 64 in flight", 64, 1_024],
];

export default {
  number: "p1",
  question:
    "How many requests does the router carry for a second of CPU, with table, key digest, assertion, limits and metrics on, 10,000 tenants on 4 cells, keep-alive, every answer checked? The peers look the cell up in a map and do nothing else.",
  goal: "at least 0.75 × nginx, 0.9 × HAProxy, 6 × @fastify/http-proxy",
  peers: [nginx, haproxy, httpProxy],
  async run(context) {
    const stage = await Stage.start(context.folder);
    try {
      const rows: Row[] = [];
      const found: string[] = [];
      let thrownOut = 0;
      for (const [side, peer, goal] of peers) {
        const ratios: number[] = [];
        for (const [size, inFlight, bodyBytes] of sizes) {
          const times = { inFlight, warmMs: 300, measureMs: context.short ? 700 : 2_000 };
          const outcome = await alternate(
            {
              size,
              peer,
              ours: () => stage.measure("router", bodyBytes, times),
              theirs: () => stage.measure(side, bodyBytes, times),
              show: (figure) => `${Math.round(figure).toLocaleString("en")} /s`,
            },
            context,
          );
          rows.push(...outcome.rows);
          ratios.push(outcome.ratio);
          thrownOut += outcome.thrownOut;
        }
        const met = Math.min(...ratios) >= goal ? "met" : "not met";
        found.push(`${peer}: ${ratios.map((ratio) => ratio.toFixed(2)).join(", ")} ×; the goal of ${goal} is ${met}.`);
      }
      return {
        rows,
        notes: [
          ...found,
          "A figure is answers for a second of the proxy's own CPU time, system time and garbage collection included, so that the generator's speed does not decide it. What else runs on the machine still does: a starved V8 compiles late.",
          `Rounds thrown out because the host took the CPU away: ${thrownOut}.`,
          ...(stage.example === null ? [] : [`A wrong answer: ${stage.example.replaceAll(/\s+/g, " ")}`]),
        ],
        wrong: stage.wrong,
      };
    } finally {
      await stage.stop();
    }
  },
} satisfies Bench;
