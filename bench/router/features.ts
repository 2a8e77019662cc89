import { generateSigningKey } from "../../common/keys.ts";
import { systemClock } from "../../common/clock.ts";
import { CompactRows } from "../../common/fleet/compact/rows.ts";
import { FleetDocument } from "../../common/fleet/document.ts";
import type { PartId, TenantId, CellId } from "../../common/ids.ts";
import { SampleCounters } from "../../router/admin/samples.ts";
import { TopTenants } from "../../router/admin/top-tenants.ts";
import { Assertions } from "../../router/guard/assertions.ts";
import { forwardedLines, headToCell, linesToClient, wordsOfCell } from "../../router/guard/fields.ts";
import { checkHead } from "../../router/guard/head.ts";
import { Hosts } from "../../router/guard/hosts.ts";
import { InFlight } from "../../router/guard/in-flight.ts";
import { Keys } from "../../router/guard/key.ts";
import { RateLimits } from "../../router/guard/rate.ts";
import { Ids } from "../../router/guard/trace.ts";
import { RoutingTable } from "../../router/table/table.ts";
import { framingOfAnswer } from "../../router/wire/answer-head.ts";
import { AnswerParser } from "../../router/wire/answer-parser.ts";
import { Gather } from "../../router/wire/gather.ts";
import { RequestParser } from "../../router/wire/request-parser.ts";
import { fleetRows, hostOf, keyOf, tenantCount } from "./fleet.ts";

/** Rounds of each, after as many to warm up: some ten milliseconds. */
const rounds = 30_000;
/** Tenants that ask in turn. */
const asking = 500;

/** What the parts of a request's path cost alone, on the bench's own fleet. @returns one line, in µs. */
export function costsOfFeatures(): string {
  const table = new RoutingTable();
  table.apply(FleetDocument.into(new CompactRows(), fleetRows(40_000), { term: 1, n: 1 }), "all");
  const rates = new RateLimits(systemClock);
  const inFlight = new InFlight<TenantId>();
  const hosts = new Hosts(table, rates, inFlight);
  const keys = new Keys(table);
  const key = generateSigningKey();
  const assertions = new Assertions("router-1" as PartId, () => key, systemClock);
  const samples = new SampleCounters("router-1", systemClock, new TopTenants(0));
  const parser = new RequestParser();
  const answers = new AnswerParser();
  const requests = Array.from({ length: asking }, (_, tenant) => requestOf(tenant));
  const answer = Buffer.from(
    "HTTP/1.1 200 OK\r\nserver: a\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\ncontent-type: application/json\r\ncellplane-release: bench@1\r\ncontent-length: 2\r\n\r\n{}",
  );
  const parse = (round: number): void => {
    const bytes = requests[round % asking] as Buffer;
    parser.parse(bytes, 0, bytes.length);
  };
  const parseAnswer = (): void => {
    answers.parse(answer, 0, answer.length);
  };
  const out = new Gather();
  const ids = new Ids(undefined, undefined);
  const sender = {
    peer: "127.0.0.1",
    peerTrusted: false,
    proto: "http",
    forwardedLines: forwardedLines("127.0.0.1", "http"),
  } as const;
  const hostAt = 0;
  const keyAt = 4;
  const cell = "cell-1" as CellId;
  const find = (round: number) => {
    parse(round);
    const guest = hosts.guestAt(parser.fields, hostAt);
    if (guest === undefined) throw new Error("the bench's tenant is not in its table");
    return guest;
  };
  const parsed = costOf(parse);
  const found = costOf(find);
  const answered = costOf(parseAnswer);
  const costs: [string, number][] = [
    ["parsing the head", parsed],
    ["tenant by Host", found - parsed],
    ["key by digest", costOf((round) => (parse(round), keys.bearerAt(parser.fields, keyAt))) - parsed],
    ["a key seen for the first time", costOf((round) => (parse(round), new Keys(table).bearerAt(parser.fields, keyAt))) - parsed],
    ["rate", costOf((round) => rates.take(find(round).bucket, 1_000_000, 1, round)) - found],
    ["in-flight cap", costOf((round) => {
      const { load } = find(round);
      inFlight.enter(load, 1_000);
      inFlight.leave(load);
    }) - found],
    ["assertion, kept", costOf((round) => {
      const guest = find(round);
      assertions.line(guest, cell, 1, guest.tenant, "anonymous");
    }) - found],
    ["assertion, signed", costOf((round) => assertions.line({ assertion: null }, cell, 1, find(round).tenant, "anonymous"), 300)],
    ["trace and request id", costOf(() => new Ids(undefined, undefined))],
    ["metrics", costOf((round) => samples.count(cell, "bench@1", find(round).tenant, 200, round % 7)) - found],
    ["checking and rewriting the head", costOf((round) => {
      parse(round);
      out.clear();
      headToCell(checkHead(parser), ids, sender, true, out);
    }) - parsed],
    ["the answer's head", answered + costOf(() => {
      parseAnswer();
      const head = framingOfAnswer(answers, "GET");
      wordsOfCell(head);
      out.clear();
      linesToClient(head, true, out);
    }) - answered],
  ]; // prettier-ignore
  return costs.map(([name, cost]) => `${name} ${Math.max(0, cost).toFixed(2)}`).join(", ");
}

function requestOf(tenant: number): Buffer {
  const key = keyOf(tenant % tenantCount);
  return Buffer.from(
    `GET /v1/stats?bucket=hour HTTP/1.1\r\nhost: ${hostOf(tenant)}\r\nuser-agent: bench/1\r\naccept: application/json\r\naccept-encoding: gzip\r\nauthorization: Bearer ${key}\r\n\r\n`,
  );
}

/** µs for one call. */
function costOf(work: (round: number) => unknown, times = rounds): number {
  for (let round = 0; round < times; round += 1) work(round);
  const began = performance.now();
  for (let round = 0; round < times; round += 1) work(round);
  return ((performance.now() - began) * 1_000) / times;
}
