import { join } from "node:path";
import { CellUnderTest, type TestTenant } from "../../tests/integration/cells/cell-under-test.ts";
import { alternate } from "../runner/alternate.ts";
import type { Bench, Row } from "../runner/contract.ts";
import { Generator } from "../runner/generator.ts";
import { cores, pinRunning } from "../runner/pin.ts";
import { quantileOf } from "../runner/statistics.ts";
import type { Asked, Order, Result } from "./load.ts";

const tenantCount = 200;
const release = "bench-notes@1";
const alone = "the same cell left alone";
/** Of what the cell can do, which is measured first: the calm tenants' share, and what the flood offers. */
const calmShare = 0.2;
/** Writes under way at once that one tenant keeps up; each is asked again as soon as it is answered or refused. */
const floods = [50, 150, 500] as const;

/** Accepted, refused for its share, or for want of a cell that is quick enough; each but the first with Retry-After. */
const floodMayGet: ReadonlySet<string> = new Set(["201", "429", "503"]);

/** The ratio that others may be slowed down by, and what the machine's own noise may add. */
const mostRatio = 1.5;
const noiseMs = 5;

export default {
  number: null,
  question:
    "What do the other tenants of a cell feel when one of them offers five times what the whole cell can do and more? 200 tenants, of which 199 send 20 % of the cell's capacity, read and write in turn, at a steady rate; p99 from the moment each request was due.",
  goal: "the others get no error, and their p99 is at most 1.5 × that of the cell left alone, or 5 ms more",
  peers: [],
  async run(context) {
    const cell = await CellUnderTest.start({ durable: true });
    const load = new Generator<Order, Result>(join(import.meta.dirname, "load.ts"));
    try {
      await pinRunning(cores.others, cell.postgres.pid);
      await cell.release("bench/kit/app", "1");
      await cell.migrate(release);
      const tenants = Array.from({ length: tenantCount }, (_, n) => cell.addTenant(`tenant-${n}`));
      await cell.startApi(release, "a", 60_000);
      await pinRunning(cores.subject, cell.pidOf("api"));
      for (const tenant of tenants) await cell.grant(tenant);
      const [loud, ...calm] = tenants as [TestTenant, ...TestTenant[]];

      const seconds = context.short ? 3 : 6;
      const port = Number(new URL(cell.url()).port);
      const order = async (flood: boolean, floodLanes: number, perSecond: number): Promise<Order> => ({
        port,
        seconds,
        perSecond,
        floodLanes,
        calm: await Promise.all(calm.map((tenant, n) => (n % 2 === 0 ? writeOf(cell, tenant) : readOf(cell, tenant)))),
        flood: flood ? await writeOf(cell, loud) : null,
      });

      // What the cell can do: one tenant within its share, nobody else.
      const full = await load.run({ ...(await order(true, 32, 1)), calm: [] });
      const capacity = (full.flooded["201"] ?? 0) / seconds;
      const perSecond = Math.max(10, Math.round(capacity * calmShare));
      context.say(`  the cell writes ${Math.round(capacity)} a second; the others send ${perSecond}`);

      const rows: Row[] = [];
      const notes = [
        `Capacity, measured before: ${Math.round(capacity)} writes a second; the others send ${perSecond} requests a second.`,
      ];
      let wrong = 0;
      let example: string | null = null;
      for (const lanes of floods) {
        let offered = 0;
        let refused = 0;
        const measure = async (flood: boolean): Promise<number> => {
          const result = await load.run(await order(flood, lanes, perSecond));
          wrong += result.wrong;
          example ??= result.example;
          if (flood) {
            const statuses = Object.entries(result.flooded);
            offered += statuses.reduce((sum, [, count]) => sum + count, 0) / seconds;
            refused += (result.flooded["429"] ?? 0) / seconds;
            wrong += statuses.filter(([status]) => !floodMayGet.has(status)).reduce((sum, [, count]) => sum + count, 0);
          }
          return quantileOf(result.latencies, 0.99);
        };
        const outcome = await alternate(
          {
            size: `p99 of 199 tenants, one with ${lanes} in flight`,
            peer: alone,
            ours: () => measure(true),
            theirs: () => measure(false),
            show: (ms) => `${ms.toFixed(1)} ms`,
          },
          context,
        );
        rows.push(...outcome.rows);
        const rounds = context.pairs + outcome.thrownOut;
        const [ours, theirs] = outcome.rows.map((row) => Number.parseFloat(row.median)) as [number, number];
        const met = outcome.ratio <= mostRatio || ours <= theirs + noiseMs;
        notes.push(
          `${lanes} in flight: the loud tenant offered ${(offered / rounds / capacity).toFixed(1)} × the capacity, ${Math.round((100 * refused) / Math.max(1, offered))} % of it was answered 429; others ${outcome.ratio.toFixed(2)} ×, the goal is ${met ? "met" : "not met"}; ${outcome.thrownOut} rounds thrown out.`,
        );
      }
      if (example !== null) notes.push(`A wrong answer: ${(example as string).replaceAll(/\s+/g, " ")}`);
      return { rows, notes, wrong };
    } finally {
      await load.stop();
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
