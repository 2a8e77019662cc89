import { join } from "node:path";
import { CellUnderTest, type TestTenant } from "../../tests/integration/cells/cell-under-test.ts";
import { alternate } from "../runner/alternate.ts";
import type { Bench, Row } from "../runner/contract.ts";
import { Generator } from "../runner/generator.ts";
import { cores, pinRunning } from "../runner/pin.ts";
import { quantileOf } from "../runner/statistics.ts";
import type { Asked, CalmResult, FloodResult, Order } from "./load.ts";

const tenantCount = 200;
const release = "bench-notes@1";
const alone = "the same cell left alone";
/** Of what the cell can do, which is measured first: what the calm tenants send, and what the loud one wants. */
const calmShare = 0.2;
const floodShare = 5;
/** Connections over which it wants that. */
const floods = [50, 150, 500] as const;

/** Accepted, refused for its share, or for want of a cell that is quick enough; each but the first with Retry-After. */
const floodMayGet: ReadonlySet<string> = new Set(["201", "429", "503"]);

/** The ratio that others may be slowed down by, and what the machine's own noise may add. */
const mostRatio = 1.5;
const noiseMs = 5;

export default {
  number: null,
  question:
    "What do the other tenants of a cell feel when one of them wants five times what the whole cell can do? 200 tenants, of which 199 send 20 % of the cell's capacity, read and write in turn, at a steady rate; p99 from the moment each request was due, a second after the flood began.",
  goal: "the others get no error, and their p99 is at most 1.5 × that of the cell left alone, or 5 ms more",
  peers: [],
  async run(context) {
    const cell = await CellUnderTest.start({ durable: true });
    const program = join(import.meta.dirname, "load.ts");
    const calmLoad = new Generator<Order, CalmResult>(program);
    const floodLoad = new Generator<Order, FloodResult>(program, "behind");
    try {
      await pinRunning(cores.others, cell.postgres.pid);
      await cell.release("bench/kit/app", "1");
      await cell.migrate(release);
      const tenants = Array.from({ length: tenantCount }, (_, n) => cell.addTenant(`tenant-${n}`));
      await cell.startApi(release, "a", 60_000);
      await pinRunning(cores.subject, cell.pidOf("api"));
      for (const tenant of tenants) await cell.grant(tenant);
      const [loud, ...calm] = tenants as [TestTenant, ...TestTenant[]];

      const pace = { seconds: context.short ? 3 : 6, firstSeconds: 1 };
      const port = Number(new URL(cell.url()).port);
      // Made anew for each run: an assertion lasts a minute.
      const requests = (): Promise<Asked[]> =>
        Promise.all(calm.map((tenant, n) => (n % 2 === 0 ? writeOf(cell, tenant) : readOf(cell, tenant))));
      const flood = async (connections: number, wanted: number): Promise<FloodResult> =>
        floodLoad.run({
          kind: "flood",
          port,
          ...pace,
          perSecond: wanted,
          connections,
          request: await writeOf(cell, loud),
        });

      // What the cell can do: one tenant, nobody else, as many requests as it takes.
      const full = await flood(32, 20_000);
      const capacity = (full.statuses["201"] ?? 0) / (pace.firstSeconds + pace.seconds);
      const perSecond = Math.max(10, Math.round(capacity * calmShare));
      const wanted = Math.round(capacity * floodShare);
      context.say(
        `  the cell writes ${Math.round(capacity)} a second; the others send ${perSecond}, the loud one wants ${wanted}`,
      );

      const rows: Row[] = [];
      const notes = [
        `Capacity, measured before: ${Math.round(capacity)} writes a second; the others send ${perSecond} requests a second.`,
      ];
      let wrong = 0;
      let example: string | null = null;
      for (const lanes of floods) {
        const answered: Record<string, number> = {};
        let unsent = 0;
        const first: number[] = [];
        const measure = async (flooded: boolean): Promise<number> => {
          const loudly = flooded ? flood(lanes, wanted) : undefined;
          const result = await calmLoad.run({ kind: "calm", port, ...pace, perSecond, requests: await requests() });
          wrong += result.wrong;
          example ??= result.example;
          if (result.latencies.length === 0) throw new Error(`nobody was answered rightly: ${result.example}`);
          if (flooded) first.push(...result.first);
          const answers = await loudly;
          unsent += answers?.unsent ?? 0;
          for (const [status, count] of Object.entries(answers?.statuses ?? {})) {
            answered[status] = (answered[status] ?? 0) + count;
            if (!floodMayGet.has(status)) wrong += count;
          }
          return quantileOf(result.latencies, 0.99);
        };
        const outcome = await alternate(
          {
            size: `p99 of 199 tenants, one over ${lanes} connections`,
            peer: alone,
            ours: () => measure(true),
            theirs: () => measure(false),
            show: (ms) => `${ms.toFixed(1)} ms`,
          },
          context,
        );
        rows.push(...outcome.rows);
        const [ours, theirs] = outcome.rows.map((row) => Number.parseFloat(row.median)) as [number, number];
        const met = outcome.ratio <= mostRatio || ours <= theirs + noiseMs;
        const sent = Object.values(answered).reduce((sum, count) => sum + count, 0);
        const share = (count: number): string => `${Math.round((100 * count) / Math.max(1, sent + unsent))} %`;
        notes.push(
          `${lanes} connections: of what the loud tenant wanted ${share(answered["201"] ?? 0)} was done, ${share(answered["429"] ?? 0)} answered 429, ${share(unsent)} found no connection free; in its first second, in which the connections come all at once, the others' p99 was ${quantileOf(first, 0.99).toFixed(1)} ms, after it ${outcome.ratio.toFixed(2)} ×; the goal is ${met ? "met" : "not met"}; ${outcome.thrownOut} rounds thrown out.`,
        );
      }
      if (example !== null) notes.push(`A wrong answer: ${(example as string).replaceAll(/\s+/g, " ")}`);
      return { rows, notes, wrong };
    } finally {
      await calmLoad.stop();
      await floodLoad.stop();
      await cell.stop();
    }
  },
} satisfies Bench;

async function writeOf(cell: CellUnderTest, tenant: TestTenant): Promise<Asked> {
  return {
    headers: { "cellplane-assertion": await cell.assertion(tenant) },
    method: "POST",
    path: "/v1/notes",
    body: JSON.stringify({ board: 1, body: `a note of ${tenant.slug}` }),
    status: 201,
    contains: '"id"',
  };
}

async function readOf(cell: CellUnderTest, tenant: TestTenant): Promise<Asked> {
  return {
    headers: { "cellplane-assertion": await cell.assertion(tenant) },
    method: "GET",
    path: "/v1/boards/1",
    status: 200,
    contains: '"notes"',
  };
}
