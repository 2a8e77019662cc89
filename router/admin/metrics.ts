import { latencyBoundsMs } from "../../common/contracts/samples.ts";
import { MetricsPage } from "../../common/http/metrics-page.ts";
import type { RouterParts } from "../app.ts";
import { statusClasses } from "./samples.ts";

/** What metrics are made from, beyond the parts of the request's path. */
export interface MetricsSource {
  readonly parts: RouterParts;
  readonly tableAgeSeconds: () => number;
  readonly generation: () => { readonly term: number; readonly n: number } | null;
  readonly refusedDocuments: () => Readonly<Record<string, number>>;
  readonly open: () => number;
}

/** Renders all metrics of the router. Labels are cells, releases and codes, all bounded; never a tenant. */
export function renderMetrics(source: MetricsSource): string {
  const page = new MetricsPage();
  traffic(page, source.parts);
  doings(page, source.parts);
  table(page, source);
  const cells = page.family("cellplane_router_cell_in_flight", "gauge", "Requests in flight by cell.");
  for (const cell of source.parts.table.cells()) cells(source.parts.cellInFlight.of(cell.id), { cell: cell.id });
  const breakers = page.family("cellplane_router_breaker_open", "gauge", "1 where a cell's breaker refuses requests.");
  for (const cell of source.parts.table.cells())
    breakers(source.parts.breakers.of(cell.id).state === "closed" ? 0 : 1, { cell: cell.id });
  page.family("cellplane_router_open", "gauge", "Requests and WebSockets open now.")(source.open());
  page.family("cellplane_router_parked", "gauge", "Requests parked now.")(source.parts.parking.count);
  return page.toString();
}

function traffic(page: MetricsPage, parts: RouterParts): void {
  const requests = page.family(
    "cellplane_router_requests_total",
    "counter",
    "Answers by cell, release, kind of traffic and status class; without release where the cell did not answer.",
  );
  for (const series of parts.samples.series()) {
    const labels = { cell: series.cell, release: series.release ?? "", synthetic: String(series.synthetic) };
    series.classes.forEach((count, index) => {
      if (count > 0) requests(count, { ...labels, status: statusClasses[index] ?? "" });
    });
  }
  const latency = page.family(
    "cellplane_router_latency_seconds",
    "histogram",
    "From the request's head to the answer's.",
  );
  for (const series of parts.samples.series()) {
    const labels = { cell: series.cell, release: series.release ?? "", synthetic: String(series.synthetic) };
    let below = 0;
    series.latency.forEach((count, index) => {
      below += count;
      const bound = latencyBoundsMs[index];
      latency(below, { ...labels, le: bound === undefined ? "+Inf" : String(bound / 1000) }, "_bucket");
    });
    latency(series.latencySumMs / 1000, labels, "_sum");
    latency(below, labels, "_count");
  }
}

function doings(page: MetricsPage, parts: RouterParts): void {
  const { counters } = parts;
  const refusals = page.family("cellplane_router_refusals_total", "counter", "Answers of the router's own, by code.");
  for (const [code, count] of counters.refusals) refusals(count, { code });
  const limits = page.family("cellplane_router_limited_total", "counter", "Requests refused by a limit.");
  limits(parts.rates.refused, { limit: "rate" });
  limits(parts.tenantInFlight.refused, { limit: "tenant-in-flight" });
  limits(parts.cellInFlight.refused, { limit: "cell-in-flight" });
  limits(parts.parking.refused, { limit: "parking" });
  const counted = [
    ["parked_total", "Requests that were parked.", parts.parking.parked],
    ["slot_turns_total", "Requests sent on to a cell's other slot.", counters.slotTurns],
    ["retries_total", "Safe requests tried again after a broken connection.", counters.retries],
    ["records_adopted_total", "Release records adopted after a 421.", counters.recordsAdopted],
    ["words_refused_total", "Words of cells that did not verify.", counters.wordsRefused],
    ["epochs_corrected_total", "Requests sent again at the epoch that the cell named.", counters.epochsCorrected],
    ["answers_cut_total", "Answers that a cell broke off in the middle.", counters.answersCut],
    ["clients_gone_total", "Clients that went away before their answer.", counters.clientsGone],
    ["websockets_total", "WebSockets joined.", counters.websockets],
  ] as const;
  for (const [name, help, value] of counted) page.family(`cellplane_router_${name}`, "counter", help)(value);
}

function table(page: MetricsPage, source: MetricsSource): void {
  page.family(
    "cellplane_router_table_age_seconds",
    "gauge",
    "Since the table was last known to be current; +Inf when never in this life.",
  )(source.tableAgeSeconds());
  const generation = source.generation();
  const generations = page.family(
    "cellplane_router_table_generation",
    "gauge",
    "Generation of the table, by its two numbers.",
  );
  generations(generation?.term ?? 0, { number: "term" });
  generations(generation?.n ?? 0, { number: "n" });
  page.family("cellplane_router_table_tenants", "gauge", "Tenants in the table.")(source.parts.table.tenants);
  page.family(
    "cellplane_router_table_bad_rows_total",
    "counter",
    "Rows left out because they did not fit their schema.",
  )(source.parts.table.badRows);
  page.family(
    "cellplane_router_owners_adopted",
    "gauge",
    "Owners known by a release record alone.",
  )(source.parts.owners.adopted);
  const refused = page.family(
    "cellplane_router_documents_refused_total",
    "counter",
    "Fleet documents and deltas refused, by reason.",
  );
  for (const [reason, count] of Object.entries(source.refusedDocuments())) refused(count, { reason });
}
