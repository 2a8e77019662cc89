import type { Bench, Row } from "../runner/contract.ts";
import { alternate } from "../runner/alternate.ts";
import { npmPeer } from "../runner/npm-peer.ts";
import { Stage, type Kind } from "./stage.ts";

const peer = "bare Fastify + pg";
const sizes = [1, 8, 32] as const;
const goals = { write: 0.85, apart: 0.85, read: 0.95 } as const;
const names = { write: "write", apart: "write, COMMIT apart", read: "read" } as const;

export default {
  number: "p7",
  question:
    "What do lease, fence, row-level security and assertions cost a tenant's write and read? One statement each, in a transaction of its own, every setting of durability on, ten connections, API process and database each on a core of its own.",
  goal: "write at least 0.85 × the peer, read at least 0.95 ×",
  peers: [npmPeer(peer, ["fastify", "pg"])],
  async run(context) {
    const stage = await Stage.start();
    try {
      const rows: Row[] = [];
      const found: string[] = [];
      let thrownOut = 0;
      for (const kind of ["write", "apart", "read"] as const satisfies readonly Kind[]) {
        const ratios: number[] = [];
        for (const inFlight of sizes) {
          const times = { inFlight, warmMs: 300, measureMs: context.short ? 1_000 : 2_000 };
          const outcome = await alternate(
            {
              size: `${names[kind]}, ${inFlight} in flight`,
              peer,
              ours: () => stage.measure("kit", kind, times),
              theirs: () => stage.measure("bare", kind, times),
              show: (figure) => `${Math.round(figure).toLocaleString("en")} /s`,
            },
            context,
          );
          rows.push(...outcome.rows);
          ratios.push(outcome.ratio);
          thrownOut += outcome.thrownOut;
        }
        const least = Math.min(...ratios);
        found.push(
          `${names[kind]}: ${ratios.map((ratio) => ratio.toFixed(2)).join(", ")} × the peer at ${sizes.join(", ")} in flight; the goal of ${goals[kind]} is ${least >= goals[kind] ? "met" : "not met"}.`,
        );
      }
      const { fsync, full_page_writes, synchronous_commit } = stage.durability;
      return {
        rows,
        notes: [
          ...found,
          `Durability, asked of the server: fsync ${fsync}, full_page_writes ${full_page_writes}, synchronous_commit ${synchronous_commit}.`,
          `Rounds thrown out because the host took the CPU away: ${thrownOut}.`,
          ...(stage.example === null ? [] : [`A wrong answer: ${stage.example.replaceAll(/\s+/g, " ")}`]),
        ],
        wrong: stage.wrong + (await stage.missing()),
      };
    } finally {
      await stage.stop();
    }
  },
} satisfies Bench;
