import { setTimeout as sleep } from "node:timers/promises";
import { TestFleet } from "../../tests/support/fleet.ts";
import { npmPeer } from "../runner/npm-peer.ts";
import type { Bench, Row } from "../runner/contract.ts";
import { spreadOf, type Spread } from "../runner/statistics.ts";
import { parts, startPeers, type Part } from "./peers.ts";
import { pssOf } from "./pss.ts";

const peer = "bare processes";
const betweenMs = 1_000;
const settleMs = { short: 20_000, full: 60_000 } as const;
const goal = 1.1;

type Sizes = Record<Part | "all", number[]>;

export default {
  number: "p12",
  question:
    "How much memory does an idle cell take, part by part? One cell of a fleet that `npm start` brought up, without tenants, beside PostgreSQL, Redis, a bare Fastify process and a bare BullMQ worker.",
  goal: "an idle cell takes at most 1.1 × the bare processes",
  peers: [npmPeer(peer, ["fastify", "bullmq"])],
  async run(context) {
    const fleet = await TestFleet.start(["--cells", "1", "--no-demo"], { CELLPLANE_NO_TEMPORAL: "1" });
    try {
      const peers = await startPeers(context.folder);
      try {
        const cell = await pidsOfCell(fleet);
        await sleep(context.short ? settleMs.short : settleMs.full);
        const ours = emptySizes();
        const theirs = emptySizes();
        for (let round = 0; round < context.pairs; round++) {
          note(ours, cell);
          note(theirs, peers.pids);
          await sleep(betweenMs);
        }
        const rows = [...parts, "all" as const].flatMap((part) =>
          rowsOf(part, spreadOf(ours[part]), spreadOf(theirs[part])),
        );
        const ratio = spreadOf(ours.all).median / spreadOf(theirs.all).median;
        return {
          rows,
          notes: [
            `A cell takes ${ratio.toFixed(2)} × the bare processes; the goal of ${goal} is ${ratio <= goal ? "met" : "not met"}. It grows linearly with the number of cells.`,
            "Proportional set size of each part with all that it started: shared pages count once.",
          ],
          wrong: 0,
        };
      } finally {
        await peers.stop();
      }
    } finally {
      await fleet.remove();
    }
  },
} satisfies Bench;

async function pidsOfCell(fleet: TestFleet): Promise<Readonly<Record<Part, number>>> {
  const [cell] = (await fleet.status()).cells;
  const pids = { postgres: 0, redis: 0, api: 0, worker: 0 };
  for (const { role, pid } of cell?.processes ?? []) pids[role] = pid;
  const missing = parts.find((part) => pids[part] === 0);
  if (missing !== undefined) throw new Error(`the cell has no ${missing}`);
  return pids;
}

function emptySizes(): Sizes {
  return { postgres: [], redis: [], api: [], worker: [], all: [] };
}

function note(sizes: Sizes, pids: Readonly<Record<Part, number>>): void {
  let all = 0;
  for (const part of parts) {
    const bytes = pssOf(pids[part]);
    sizes[part].push(bytes);
    all += bytes;
  }
  sizes.all.push(all);
}

const names = {
  postgres: "PostgreSQL",
  redis: "Redis",
  api: "API (bare: Fastify)",
  worker: "worker (bare: BullMQ)",
  all: "all four",
} as const;

function rowsOf(part: Part | "all", ours: Spread, theirs: Spread): Row[] {
  const row = (contender: string, { median, min, max }: Spread, ratio: string): Row => {
    return { contender, size: names[part], median: show(median), min: show(min), max: show(max), ratio };
  };
  return [row("Cellplane", ours, "1.00"), row(peer, theirs, (ours.median / theirs.median).toFixed(2))];
}

function show(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
