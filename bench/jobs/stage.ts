import { setTimeout as sleep } from "node:timers/promises";
import { connect, type Client } from "../../common/postgres/pool.ts";
import { CellUnderTest, type TestTenant } from "../../tests/integration/cells/cell-under-test.ts";
import { cores, pinRunning } from "../runner/pin.ts";

const release = "jobs@1";
/** Tenants that each offer the same modest load. */
const quiet = 9;
/** What the quiet tenants offer together, as a share of what the worker does: well within their fair share, with a flooder or without. */
const offeredShare = 0.4;
/** More than a worker can do while it is measured. */
const floodJobs = 6_000;
const catchUpMs = 500;

export interface Measured {
  /** Jobs of the quiet tenants done, a second. */
  readonly throughput: number;
  /** From written down to committed, in ms, of each. */
  readonly waits: readonly number[];
}

/** A cell with its worker: nine quiet tenants, and a tenth that may flood it. */
export class JobStage {
  readonly #cell: CellUnderTest;
  readonly #database: Client;
  readonly #tenants: readonly TestTenant[];
  readonly #flooder: TestTenant;
  #ratePerTenant = 1;

  private constructor(cell: CellUnderTest, database: Client, tenants: readonly TestTenant[], flooder: TestTenant) {
    this.#cell = cell;
    this.#database = database;
    this.#tenants = tenants;
    this.#flooder = flooder;
  }

  static async start(): Promise<JobStage> {
    const cell = await CellUnderTest.start({ durable: true });
    await pinRunning(cores.others, cell.postgres.pid);
    await cell.release("tests/integration/cells/jobs-application", "1");
    await cell.migrate(release);
    const tenants = Array.from({ length: quiet }, (_, index) => cell.addTenant(`quiet-${index}`));
    const flooder = cell.addTenant("flooder");
    await cell.startApi(release);
    await cell.startWorker(release);
    await pinRunning(cores.subject, cell.pidOf("worker"));
    for (const tenant of [...tenants, flooder]) await cell.grant(tenant);
    return new JobStage(cell, await connect(cell.database.systemUrl, "bench"), tenants, flooder);
  }

  /** Has the quiet tenants offer their load for a while. @param floodMs how long each job of a flood takes; null for no flood. */
  async measure(seconds: number, floodMs: number | null): Promise<Measured> {
    if (floodMs !== null) {
      await this.#flood(floodMs);
      await sleep(1_000);
    }
    const began = await this.#now();
    await Promise.all(this.#tenants.map((tenant) => this.#offer(tenant, seconds)));
    await sleep(catchUpMs);
    const { rows } = await this.#database.query<{ waited: number }>(
      `SELECT extract(epoch FROM receipt.finished_at - to_timestamp(('x' || translate(left(receipt.id::text, 13), '-', ''))::bit(48)::bigint / 1000.0))::double precision * 1000 AS waited
       FROM cellplane.receipts receipt WHERE finished_at >= $1 AND tenant_id <> $2`,
      [began, this.#flooder.id],
    );
    await this.#empty();
    return { throughput: rows.length / seconds, waits: rows.map(({ waited }) => waited) };
  }

  /** Jobs a second when one tenant alone has a backlog: what a worker does, and what the quiet tenants' load is set by. */
  async capacity(seconds: number): Promise<number> {
    await this.#flood(0);
    await sleep(1_000);
    const began = await this.#now();
    await sleep(seconds * 1_000);
    const { rows } = await this.#database.query<{ done: number }>(
      "SELECT count(*) AS done FROM cellplane.receipts WHERE finished_at >= $1",
      [began],
    );
    await this.#empty();
    const capacity = (rows[0]?.done ?? 0) / seconds;
    this.#ratePerTenant = (capacity * offeredShare) / quiet;
    return capacity;
  }

  /** Jobs without a receipt, or with an effect that is not there once: none, or the figures are worth nothing. */
  async wrong(): Promise<number> {
    const [row] = await this.#cell.sql<{ wrong: number }>(
      "SELECT abs((SELECT count(*) FROM cellplane.receipts) - (SELECT count(*) FROM entries)) + (SELECT count(*) FROM cellplane.dead_letters) AS wrong",
    );
    return row?.wrong ?? 1;
  }

  async stop(): Promise<void> {
    await this.#database.end();
    await this.#cell.stop();
  }

  async #offer(tenant: TestTenant, seconds: number): Promise<void> {
    const began = performance.now();
    for (let count = 0; count < seconds * this.#ratePerTenant; count++) {
      await sleep(Math.max(0, (count * 1_000) / this.#ratePerTenant - (performance.now() - began)));
      const { status } = await this.#cell.call(tenant, "/v1/work", { body: { entry: "quiet" } });
      if (status !== 202) throw new Error(`a job was answered ${status}`);
    }
  }

  async #flood(milliseconds: number): Promise<void> {
    await this.#database.query(
      `INSERT INTO cellplane.outbox (tenant_id, job, payload_version, payload)
       SELECT $1, 'work', 1, jsonb_build_object('entry', 'flood', 'behaviour', 'write', 'milliseconds', $2::int) FROM generate_series(1, ${floodJobs})`,
      [this.#flooder.id, milliseconds],
    );
    await this.#database.query("ANALYZE cellplane.outbox");
  }

  async #empty(): Promise<void> {
    await this.#database.query("DELETE FROM cellplane.outbox WHERE tenant_id = $1 AND enqueued_at IS NULL", [
      this.#flooder.id,
    ]);
    for (;;) {
      const { rows } = await this.#database.query("SELECT FROM cellplane.outbox LIMIT 1");
      if (rows.length === 0) break;
      await sleep(50);
    }
    // What a round took back is its own litter, and not the next one's.
    await this.#database.query("VACUUM cellplane.outbox");
  }

  async #now(): Promise<Date> {
    const { rows } = await this.#database.query<{ now: Date }>("SELECT clock_timestamp() AS now");
    return rows[0]?.now ?? new Date();
  }
}
