import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { grantLease } from "../../cells/kit/lease.store.ts";
import { tenantId } from "../../common/ids.ts";
import { connect, type Client } from "../../common/postgres/pool.ts";
import { uuidv7 } from "../../common/uuid.ts";
import { LeaseCell } from "../../tests/integration/cells/lease-bed.ts";
import { startPostgres } from "../../tests/support/postgres.ts";
import type { Bench, Row } from "../runner/contract.ts";
import {
  backendOf,
  countNotes,
  freezeOnce,
  makeAlternatives,
  variants,
  withoutWaitingForDisk,
  write,
  type Variant,
} from "./variants.store.ts";

const names = { advisory: "Cellplane", row: "FOR SHARE on the lease", none: "no fence" } as const;
const sizes = [1, 4, 8] as const;
/** A freeze gives up after this long and comes again, as the kit's does. */
const lockWaitMs = 250;
const heldMs = 20;

export default {
  number: null,
  question:
    "What does it cost to bind a write to its tenant's lease, and how long does a freeze wait behind overlapping writers of 20 ms: shared advisory lock or FOR SHARE on the lease's row?",
  goal: "a freeze gets through within 250 ms beside 8 overlapping writers, at a cost of at most 0.1 ms a write",
  peers: [],
  async run(context) {
    const postgres = await startPostgres();
    const [cell] = (await LeaseCell.make(postgres, ["cell-1"])) as [LeaseCell];
    const { url, appUrl, systemUrl } = cell.database;
    const clients = { owner: await connect(url, "owner"), system: await connect(systemUrl, "freeze") };
    const apps = await Promise.all(Array.from({ length: Math.max(...sizes) }, () => connect(appUrl, "writer")));
    try {
      const tenant = tenantId(uuidv7());
      await grantLease(cell.system, tenant, { epoch: 1, slug: "t", tier: "pro", synthetic: false });
      await makeAlternatives(clients.owner);
      for (const app of apps) await withoutWaitingForDisk(app);
      const stage = new Stage(tenant, apps, clients.system);
      const writes = await stage.costs(context.short ? 300 : 1_000, context.pairs);
      const freezes: Row[] = [];
      for (const size of sizes) freezes.push(...(await stage.freezes(size, context.short ? 8 : 20)));
      return {
        rows: [...writes.rows, ...freezes],
        notes: [
          ...writes.notes,
          "A freeze's figures are milliseconds to its lock; `got through` counts tries that did within 250 ms.",
        ],
        wrong: Math.abs(stage.written - (await countNotes(clients.owner))),
      };
    } finally {
      await Promise.all([...apps, ...Object.values(clients)].map((client) => client.end()));
      await cell.stop();
      await postgres.stop();
    }
  },
} satisfies Bench;

class Stage {
  written = 0;
  readonly #tenant: string;
  readonly #apps: readonly Client[];
  readonly #system: Client;

  constructor(tenant: string, apps: readonly Client[], system: Client) {
    this.#tenant = tenant;
    this.#apps = apps;
    this.#system = system;
  }

  /** Microseconds of the processor that the database's process spends on a write. Its time on the wall is the disk's and the other processes'. */
  async costs(count: number, rounds: number): Promise<{ rows: Row[]; notes: string[] }> {
    const took: Record<Variant, number[]> = { advisory: [], row: [], none: [] };
    const pid = await backendOf(this.#apps[0] as Client);
    for (let round = -1; round < rounds; round++)
      for (const variant of round % 2 === 0 ? variants : variants.toReversed()) {
        const began = await processorUs(pid);
        for (let left = count; left > 0; left--) await this.#write(0, variant);
        // The first round warms.
        if (round >= 0) took[variant].push(((await processorUs(pid)) - began) / count);
      }
    const bare = median(took.none);
    return {
      rows: variants.map((variant) =>
        rowOf(
          variant,
          "a write, processor time in PostgreSQL",
          took[variant],
          "µs",
          median(took.advisory) / median(took[variant]),
        ),
      ),
      notes: (["advisory", "row"] as const).map(
        (variant) => `${names[variant]}: ${(median(took[variant]) - bare).toFixed(0)} µs a write more than no fence.`,
      ),
    };
  }

  /** Milliseconds to the lock beside overlapping writers. */
  async freezes(writers: number, tries: number): Promise<Row[]> {
    const figures = {
      advisory: await this.#wait("advisory", writers, tries),
      row: await this.#wait("row", writers, tries),
    };
    return (["advisory", "row"] as const).map((variant) => {
      const { took, through } = figures[variant];
      const size = `a freeze beside ${writers} writers, got through ${through} of ${tries}`;
      return rowOf(variant, size, took, "ms", median(figures.advisory.took) / median(took));
    });
  }

  async #wait(
    variant: "advisory" | "row",
    writers: number,
    tries: number,
  ): Promise<{ took: number[]; through: number }> {
    let over = false;
    const writing = Promise.all(
      Array.from({ length: writers }, async (_, index) => {
        await sleep((index * heldMs) / writers);
        while (!over) await this.#write(index, variant, heldMs / 1_000);
      }),
    );
    const took: number[] = [];
    let through = 0;
    for (let left = tries; left > 0; left--) {
      await sleep(3 * heldMs);
      const began = performance.now();
      const locked = await freezeOnce(this.#system, this.#tenant, variant, lockWaitMs);
      const ms = performance.now() - began;
      // A row's lock is waited for holder by holder, each with a time limit of its own, so that the whole may take longer.
      if (locked && ms <= lockWaitMs) through += 1;
      took.push(ms);
    }
    over = true;
    await writing;
    return { took, through };
  }

  async #write(index: number, variant: Variant, holdSeconds = 0): Promise<void> {
    await write(this.#apps[index] as Client, this.#tenant, variant, holdSeconds);
    this.written += 1;
  }
}

/** Time on a processor so far, of a process; the kernel keeps it in nanoseconds. */
async function processorUs(pid: number): Promise<number> {
  const [onProcessor = "0"] = (await readFile(`/proc/${pid}/schedstat`, "utf8")).split(" ");
  return Number(onProcessor) / 1_000;
}

function rowOf(variant: Variant, size: string, took: readonly number[], unit: string, ratio: number): Row {
  const show = (figure: number): string => `${figure.toFixed(unit === "ms" ? 1 : 0)} ${unit}`;
  return {
    contender: names[variant],
    size,
    median: show(median(took)),
    min: show(Math.min(...took)),
    max: show(Math.max(...took)),
    ratio: variant === "advisory" ? "1.00" : ratio.toFixed(2),
  };
}

function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
