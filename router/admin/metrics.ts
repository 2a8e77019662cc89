import { latencyBoundsMs } from "../../common/contracts/samples.ts";
import type { SubscriptionStatus } from "../../common/fleet/subscription.ts";
import type { Family, Labels, Point } from "../../common/metrics/family.ts";
import type { RouterParts } from "../app.ts";
import type { TableAlarm } from "../table/alarms.ts";
import { statusClasses, type Series } from "./samples.ts";

/** What metrics are made from, beyond the parts of the request's path. */
export interface MetricsSource {
  readonly parts: RouterParts;
  readonly status: () => SubscriptionStatus;
  readonly alarms: () => readonly TableAlarm[];
  readonly open: () => number;
  /** Null where no TLS is spoken. */
  readonly tls: () => TlsState | null;
}

/** What is counted of TLS. */
export interface TlsState {
  readonly certificates: number;
  /** When the first of them ends, in milliseconds since the epoch. */
  readonly firstEnd: number | null;
  readonly certificatesRefused: number;
  readonly handshakesFailed: number;
}

const latencyBoundsSeconds = latencyBoundsMs.map((ms) => ms / 1000);

/**
 * All metrics of the router. Labels are cells, releases, tiers and codes, all bounded; never a tenant, unless the tenants with most requests
 * were asked for.
 */
export function collectMetrics(source: MetricsSource): Family[] {
  return [
    ...traffic(source.parts),
    ...doings(source.parts),
    ...cells(source.parts),
    ...now(source),
    ...tls(source),
    ...table(source),
  ];
}

const counter = (name: string, help: string, points: readonly Point[]): Family => ({
  name: `cellplane_router_${name}`,
  kind: "counter",
  help,
  points,
});
const gauge = (name: string, help: string, points: readonly Point[]): Family => ({
  name: `cellplane_router_${name}`,
  kind: "gauge",
  help,
  points,
});
const one = (value: number): Point[] => [{ value }];

function traffic(parts: RouterParts): Family[] {
  const series = [...parts.samples.series()];
  const labels = ({ cell, release, tier, synthetic }: Series): Labels => ({
    cell,
    release: release ?? "",
    tier,
    synthetic: String(synthetic),
  });
  const bySeries = (value: (each: Series) => number) =>
    series.map((each) => ({ value: value(each), labels: labels(each) }));
  return [
    counter(
      "requests_total",
      "Answers by cell, release, tier, kind of traffic and status class; without release where the cell did not answer.",
      series.flatMap((each) =>
        each.classes.flatMap((value, index) =>
          value > 0 ? [{ value, labels: { ...labels(each), status: statusClasses[index] ?? "" } }] : [],
        ),
      ),
    ),
    counter(
      "errors_total",
      "Answers of 500 and above, and requests that got none from their cell.",
      bySeries(({ errors }) => errors),
    ),
    counter(
      "request_bytes_total",
      "Bytes of bodies that clients sent.",
      bySeries(({ bytesIn }) => bytesIn),
    ),
    counter(
      "answer_bytes_total",
      "Bytes of bodies that cells answered, and of WebSockets.",
      bySeries(({ bytesOut }) => bytesOut),
    ),
    {
      name: "cellplane_router_latency_seconds",
      kind: "histogram",
      help: "From the request's head to the answer's.",
      bounds: latencyBoundsSeconds,
      points: series.map((each) => ({
        counts: each.latency,
        sum: each.latencySumMs / 1000,
        labels: labels(each),
      })),
    },
    counter(
      "top_tenant_requests_total",
      "Requests of the tenants that have most, where they are asked for (TOP_TENANTS); may be too high by the error.",
      parts.samples.top().map(({ slug, requests }) => ({ value: requests, labels: { tenant: slug } })),
    ),
    gauge(
      "top_tenant_error",
      "By how much such a count may be too high.",
      parts.samples.top().map(({ slug, error }) => ({ value: error, labels: { tenant: slug } })),
    ),
  ];
}

function doings(parts: RouterParts): Family[] {
  const { counters } = parts;
  return [
    counter(
      "refusals_total",
      "Answers of the router's own, by code.",
      [...counters.refusals].map(([code, value]) => ({ value, labels: { code } })),
    ),
    counter("limited_total", "Requests refused by a limit.", [
      { value: parts.rates.refused, labels: { limit: "rate" } },
      { value: parts.tenantInFlight.refused, labels: { limit: "tenant-in-flight" } },
      { value: parts.cellInFlight.refused, labels: { limit: "cell-in-flight" } },
      { value: parts.parking.refused, labels: { limit: "parking" } },
    ]),
    counter("parked_total", "Requests that were parked.", one(parts.parking.parked)),
    counter("slot_turns_total", "Requests sent on to a cell's other slot.", one(counters.slotTurns)),
    counter("retries_total", "Safe requests tried again after a broken connection.", one(counters.retries)),
    counter("records_adopted_total", "Release records adopted after a 421.", one(counters.recordsAdopted)),
    counter("words_refused_total", "Words of cells that did not verify.", one(counters.wordsRefused)),
    counter(
      "epochs_corrected_total",
      "Requests sent again at the epoch that the cell named.",
      one(counters.epochsCorrected),
    ),
    counter("answers_cut_total", "Answers that a cell broke off in the middle.", one(counters.answersCut)),
    counter("clients_gone_total", "Clients that went away before their answer.", one(counters.clientsGone)),
    counter("websockets_total", "WebSockets joined.", one(counters.websockets)),
  ];
}

function cells(parts: RouterParts): Family[] {
  const byCell = (value: (cell: Parameters<RouterParts["cellInFlight"]["of"]>[0]) => number) =>
    [...parts.table.cells()].map(({ id }) => ({ value: value(id), labels: { cell: id } }));
  return [
    gauge(
      "cell_in_flight",
      "Requests in flight by cell.",
      byCell((cell) => parts.cellInFlight.of(cell)),
    ),
    gauge(
      "breaker_open",
      "1 where a cell's breaker refuses requests.",
      byCell((cell) => (parts.breakers.of(cell).state === "closed" ? 0 : 1)),
    ),
    counter(
      "ejected_total",
      "How often a cell's breaker has opened.",
      byCell((cell) => parts.breakers.of(cell).opened),
    ),
  ];
}

function tls(source: MetricsSource): Family[] {
  const state = source.tls();
  if (state === null) return [];
  return [
    gauge("certificates", "Certificates in use.", one(state.certificates)),
    gauge(
      "certificate_end_seconds",
      "When the first certificate ends, in seconds since the epoch.",
      state.firstEnd === null ? [] : one(state.firstEnd / 1000),
    ),
    counter("certificates_refused_total", "Pairs of files that could not be read.", one(state.certificatesRefused)),
    counter("handshakes_failed_total", "TLS handshakes that came to nothing.", one(state.handshakesFailed)),
  ];
}

function now({ parts, open }: MetricsSource): Family[] {
  return [
    gauge("open", "Requests and WebSockets open now.", one(open())),
    gauge("parked", "Requests parked now.", one(parts.parking.count)),
  ];
}

function table({ parts, status, alarms }: MetricsSource): Family[] {
  const { ageSeconds, generation, refused, notKept } = status();
  const raised = alarms().map(({ code }) => code);
  return [
    gauge(
      "table_age_seconds",
      "Since the table was last known to be current; +Inf when never in this life.",
      one(ageSeconds),
    ),
    gauge(
      "table_stale",
      "1 when the table is too old for a definite word about what it does not hold.",
      one(raised.includes("table-stale") ? 1 : 0),
    ),
    gauge("table_generation", "Generation of the table, by its two numbers.", [
      { value: generation?.term ?? 0, labels: { number: "term" } },
      { value: generation?.n ?? 0, labels: { number: "n" } },
    ]),
    gauge("table_tenants", "Tenants in the table.", one(parts.table.tenants)),
    gauge("table_keys", "API keys in the table.", one(parts.table.keys)),
    gauge("table_bytes", "Bytes of tenants, keys and their indexes.", one(parts.table.bytes)),
    counter("table_bad_rows_total", "Rows left out because they did not fit their schema.", one(parts.table.badRows)),
    counter("table_not_kept_total", "How often the disk did not take the table.", one(notKept)),
    gauge("owners_adopted", "Owners known by a release record alone.", one(parts.owners.adopted)),
    counter(
      "documents_refused_total",
      "Fleet documents and deltas refused, by reason.",
      Object.entries(refused).map(([reason, value]) => ({ value, labels: { reason } })),
    ),
  ];
}
