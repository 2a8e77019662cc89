import { alternate } from "../runner/alternate.ts";
import type { Bench, Row } from "../runner/contract.ts";
import { quantileOf } from "../runner/statistics.ts";
import { bigBytes, bulkTenant, cellCount } from "./fleet.ts";
import { costsOfFeatures } from "./features.ts";
import { haproxy, httpProxy, nginx } from "./peers.ts";
import { askingFor, Stage, type Measured, type Side } from "./stage.ts";
import { wrk, type Asking } from "./wrk.ts";

const peers: readonly (readonly [side: Side, name: string, goal: number])[] = [
  ["nginx", nginx.name, 0.75],
  ["haproxy", haproxy.name, 0.9],
  ["httpProxy", httpProxy.name, 6],
];

interface Size {
  readonly name: string;
  readonly inFlight: number;
  /** Whether the goals are meant for it. */
  readonly judged: boolean;
  /** Whether @fastify/http-proxy is asked too: it passes no WebSockets on by itself, and answers the large POST with 400. */
  readonly npmToo: boolean;
  /** Null for frames over WebSockets. */
  readonly asking: ((assertion: boolean) => Asking) | null;
}

const path = "/v1/stats?bucket=hour";
const bulk = [bulkTenant, bulkTenant + 1] as const;
const bulkRight = `status == 200 and body:find('"cell":${cellCount}', 1, true)`;
const sizes: readonly Size[] = [
  ...[8, 64].map((inFlight) => ({
    name: `GET, ${inFlight} in flight`,
    inFlight,
    judged: true,
    npmToo: true,
    asking: (assertion: boolean) => askingFor({ method: "GET", path, bodyBytes: 0, assertion }),
  })),
  {
    name: "POST of 1 KiB, 64 in flight",
    inFlight: 64,
    judged: true,
    npmToo: true,
    asking: (assertion) => askingFor({ method: "POST", path, bodyBytes: 1_024, assertion }),
  },
  {
    name: "GET, a connection for each, 64 in flight",
    inFlight: 64,
    judged: false,
    npmToo: true,
    asking: (assertion) => askingFor({ method: "GET", path, bodyBytes: 0, assertion, lines: ["connection: close"] }),
  },
  {
    name: "GET of 64 KiB, 64 in flight",
    inFlight: 64,
    judged: false,
    npmToo: true,
    asking: (assertion) => ({
      ...askingFor({ method: "GET", path: "/v1/big", bodyBytes: 0, assertion }),
      right: `status == 200 and #body == ${bigBytes}`,
    }),
  },
  {
    name: "POST of 64 KiB, 64 in flight",
    inFlight: 64,
    judged: false,
    npmToo: false,
    asking: () => ({ tenants: bulk, method: "POST", path, bodyBytes: bigBytes, lines: [], right: bulkRight }),
  },
  { name: "WebSocket, a frame and its echo, 64 in flight", inFlight: 64, judged: false, npmToo: false, asking: null },
];

export default {
  number: "p1",
  question:
    "How many requests does the router carry for a second of CPU, with table, key digest, assertion, limits and metrics on, 10,000 tenants on 4 cells, keep-alive, every answer checked? The peers look the cell up in a map and do nothing else.",
  goal: "at least 0.75 × nginx, 0.9 × HAProxy, 6 × @fastify/http-proxy, for GET and POST of 1 KiB",
  peers: [nginx, haproxy, httpProxy, wrk],
  async run(context) {
    const stage = await Stage.start(context.folder);
    try {
      const rows: Row[] = [];
      const found: string[] = [];
      const clock: string[] = [];
      let thrownOut = 0;
      const ask = (who: Side, size: Size, seconds: number): Promise<Measured> => {
        const load = { inFlight: size.inFlight, seconds };
        if (size.asking === null) return stage.measureSockets(who, load);
        return stage.measure(who, size.asking(who === "router"), load);
      };
      for (const size of sizes) await ask("router", size, 2);
      for (const [side, peer, goal] of peers) {
        const ratios: number[] = [];
        for (const size of sizes) {
          if (side === "httpProxy" && !size.npmToo) continue;
          const ours: Measured[] = [];
          const theirs: Measured[] = [];
          const measure = async (who: Side, into: Measured[]): Promise<number> => {
            const measured = await ask(who, size, context.short ? 1 : 2);
            into.push(measured);
            return measured.perCpuSecond;
          };
          const outcome = await alternate(
            {
              size: size.name,
              peer,
              ours: () => measure("router", ours),
              theirs: () => measure(side, theirs),
              show: (figure) => `${Math.round(figure).toLocaleString("en")} /s`,
            },
            context,
          );
          rows.push(...outcome.rows);
          if (size.judged) ratios.push(outcome.ratio);
          const clockRatio = medianOf(ours) / medianOf(theirs);
          clock.push(`${size.name} ${clockRatio.toFixed(2)}`);
          thrownOut += outcome.thrownOut;
        }
        const met = Math.min(...ratios) >= goal ? "met" : "not met";
        const onClock = clock.splice(0).join("; ");
        found.push(
          `${peer}: ${ratios.map((ratio) => ratio.toFixed(2)).join(", ")} ×; the goal of ${goal} is ${met}. By the clock: ${onClock}.`,
        );
      }
      return {
        rows,
        notes: [
          ...found,
          "A figure is right answers for a second of the proxy's own CPU time, system time and garbage collection included, so that the generator's speed does not decide it.",
          stage.halting
            ? "Idle cores could halt: what the proxy writes then costs a wake-up, the more the slower it is."
            : "Idle cores were kept from halting.",
          `What each feature costs of a request, in µs, alone and warm: ${costsOfFeatures()}.`,
          `Rounds thrown out because the host took the CPU away: ${thrownOut}.`,
          ...(stage.example === null ? [] : [`A wrong answer: ${stage.example}`]),
        ],
        wrong: stage.wrong,
      };
    } finally {
      await stage.stop();
    }
  },
} satisfies Bench;

function medianOf(measured: readonly Measured[]): number {
  return quantileOf(
    measured.map(({ perSecond }) => perSecond),
    0.5,
  );
}
