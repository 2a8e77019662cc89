import { type CellResult, coverageOf } from "../merge/coverage.ts";
import type { Clock } from "../../common/clock.ts";
import type { AggregateAnswer } from "../../common/contracts/cell-admin.ts";
import type { CellRow } from "../../common/contracts/fleet.ts";
import type { Coverage, Grouping, QueryAnswer } from "../../common/contracts/rollups.ts";
import { CellplaneError } from "../../common/errors.ts";
import type { CellId } from "../../common/ids.ts";
import type { Logger } from "../../common/log.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { spansOf } from "../../common/telemetry.ts";
import { aggregatorError } from "../errors.ts";
import { type CellAsker, unknownAggregate } from "../fanout/ask.ts";
import type { Fleet } from "../fleet.ts";
import { answerOf } from "./answer.ts";
import { liveMeasure, type TenantPart } from "./part.ts";
import { pushedParts } from "./pushed.ts";
import type { Span } from "./span.ts";

const inSpan = spansOf("aggregator");

export interface QueryOptions {
  readonly pool: Pool;
  readonly fleet: Fleet;
  readonly asker: CellAsker;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Query {
  /** Name of the aggregate, as the application declares it. */
  readonly aggregate: string;
  readonly by: Grouping;
  readonly span: Span;
  /** Ask the cells, or take what they pushed. */
  readonly source: "live" | "rollup";
}

/** Cells ship every two seconds; seven missed in a row mean that a cell is not heard. */
const staleAfterMs = 15_000;
/** What the aggregates of kits that do not say it are: theirs were counts. */
const mergeBefore = "sum";

/**
 * Answers a question over all cells, and says which of them the answer contains (I10). Asked live, a cell that does not answer is filled in from what
 * it pushed and named stale, however fresh that is: it was not asked with success. One of which nothing was ever pushed is named failed.
 * @throws unknown-query where cells answer that their release has no such aggregate, and none has.
 */
export async function answerQuery(options: QueryOptions, query: Query): Promise<QueryAnswer> {
  const { aggregate, by, source } = query;
  return await inSpan("query", { aggregate, by, source }, () => answer(options, query));
}

async function answer(options: QueryOptions, query: Query): Promise<QueryAnswer> {
  const cells = options.fleet.cells();
  const asked = query.source === "live" ? await askLive(options, query, cells) : nothingHeard;
  const heard = new Set(asked.results.map(({ cell }) => cell));
  const silent = cells.filter(({ id }) => !heard.has(id));
  const pushed = await pushedParts(options.pool, options.fleet, query.aggregate, query.span, silent);
  if (asked.unknown > 0 && asked.results.length === 0 && pushed.parts.length === 0)
    throw aggregatorError("unknown-query", `No cell's release has an aggregate ${query.aggregate}.`);

  const expected = cells.map(({ id }) => id);
  const found = coverageOf(expected, [...asked.results, ...pushed.results], options.clock.now(), staleAfterMs);
  const coverage =
    query.source === "live"
      ? withStale(
          found,
          silent.map(({ id }) => id),
        )
      : found;
  const regions = new Map(cells.map(({ id, region }) => [id, region]));
  return {
    name: query.aggregate,
    by: query.by,
    from: query.span.from.toISOString(),
    to: query.span.to.toISOString(),
    ...answerOf({ by: query.by, regions }, [...asked.parts, ...pushed.parts]),
    coverage,
  };
}

interface Heard {
  readonly parts: readonly TenantPart[];
  readonly results: readonly CellResult[];
  /** Cells whose release has no such aggregate. */
  readonly unknown: number;
}
const nothingHeard: Heard = { parts: [], results: [], unknown: 0 };

async function askLive(options: QueryOptions, { aggregate, span }: Query, cells: readonly CellRow[]): Promise<Heard> {
  const times = new URLSearchParams({ from: span.from.toISOString(), to: span.to.toISOString() });
  const answers = await options.asker.ask(cells, `/v1/aggregates/${encodeURIComponent(aggregate)}?${times.toString()}`);
  const parts: TenantPart[] = [];
  const results: CellResult[] = [];
  let unknown = 0;
  for (const [cell, answer] of answers) {
    if (answer === unknownAggregate) unknown += 1;
    if (answer === null || answer === unknownAggregate) continue;
    const told = partsOf(options, cell, answer);
    if (told === null) continue;
    parts.push(...told);
    results.push({ cell, kind: "answered", asOfMs: Date.parse(answer.asOf) });
  }
  return { parts, results, unknown };
}

/** The cell's tenants; null where a value is not what its kind wants, and nothing of the cell can be trusted. */
function partsOf({ fleet, log }: QueryOptions, cell: CellId, answer: AggregateAnswer): readonly TenantPart[] | null {
  try {
    const customers = answer.rows.filter(
      ({ tenant, tier }) => tier !== "synthetic" && fleet.tenant(tenant)?.synthetic !== true,
    );
    return customers.map(({ tenant, epoch, slug, tier, value }) => ({
      tenant,
      epoch,
      cell,
      slug,
      tier,
      measure: liveMeasure(answer.merge ?? mergeBefore, value),
    }));
  } catch (error) {
    if (!(error instanceof CellplaneError)) throw error;
    log.error({ event: "cell-answer-refused", cell, err: error });
    return null;
  }
}

function withStale(coverage: Coverage, cells: readonly CellId[]): Coverage {
  const filled = new Set(cells.filter((cell) => !coverage.failed.includes(cell)));
  const answered = coverage.answered.filter((cell) => !filled.has(cell));
  const stale = coverage.expected.filter((cell) => filled.has(cell) || coverage.stale.includes(cell));
  return { ...coverage, answered, stale, complete: coverage.complete && stale.length === 0 };
}
