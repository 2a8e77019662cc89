import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../../common/clock.ts";
import type { TenantId } from "../../../common/ids.ts";
import { CellplaneError } from "../../../common/errors.ts";
import { Breaker } from "../../../router/guard/breaker.ts";
import { endOfHead, forwardedLines, headToCell, linesToClient, wordsOfCell } from "../../../router/guard/fields.ts";
import { checkHead } from "../../../router/guard/head.ts";
import { InFlight } from "../../../router/guard/in-flight.ts";
import { keyDigestOf, looksLikeKey } from "../../../router/guard/key.ts";
import { ParkingLot } from "../../../router/guard/parking.ts";
import { TrustedPeers } from "../../../router/guard/peers.ts";
import { RateLimits } from "../../../router/guard/rate.ts";
import { RetryBudget } from "../../../router/guard/retry-budget.ts";
import { Ids } from "../../../router/guard/trace.ts";
import { framingOfAnswer, type AnswerHead } from "../../../router/wire/answer-head.ts";
import { AnswerParser } from "../../../router/wire/answer-parser.ts";
import { isInternal } from "../../../router/wire/field-names.ts";
import { Gather } from "../../../router/wire/gather.ts";
import { RequestParser } from "../../../router/wire/request-parser.ts";

class HandClock implements Clock {
  ms = 1_000_000;
  now = () => this.ms;
  monotonic = () => this.ms;
}
const tenant = "01890000-0000-7000-8000-000000000001" as TenantId;
interface Given {
  readonly method?: string;
  readonly target?: string;
  readonly version?: string;
  /** Name, value, name, value, … */
  readonly fields?: readonly string[];
}

/** A request's head as bytes, parsed. */
function head({
  method = "GET",
  target = "/",
  version = "1.1",
  fields = ["Host", "acme.example"],
}: Given = {}): RequestParser {
  const parser = new RequestParser();
  const bytes = Buffer.from(`${method} ${target} HTTP/${version}\r\n${linesOf(fields)}\r\n`, "latin1");
  assert.equal(parser.parse(bytes, 0, bytes.length), bytes.length);
  return parser;
}

function linesOf(fields: readonly string[]): string {
  let lines = "";
  for (let index = 0; index < fields.length; index += 2) lines += `${fields[index]}: ${fields[index + 1]}\r\n`;
  return lines;
}

const code = (given: Given): string => {
  try {
    checkHead(head(given));
    return "passes";
  } catch (error) {
    return error instanceof CellplaneError ? error.code : String(error);
  }
};

describe("a request's head", () => {
  it("means one thing, or is refused", () => {
    const host = ["Host", "acme.example"];
    for (const [what, given, expected] of [
      ["plain", {}, "passes"],
      ["1.0", { version: "1.0" }, "passes"],
      ["2.0", { version: "2.0" }, "version-not-supported"],
      ["trace", { method: "TRACE" }, "method-not-supported"],
      ["no host", { fields: [] }, "malformed-request"],
      ["two hosts", { fields: [...host, "HOST", "acme.example"] }, "malformed-request"],
      ["absolute", { target: "http://acme.example/x" }, "passes"],
      ["absolute, other case", { target: "HTTP://ACME.example/x" }, "passes"],
      ["absolute, other port", { target: "http://acme.example:81/x" }, "malformed-request"],
      ["absolute, userinfo", { target: "http://acme.example@evil.example/x" }, "malformed-request"],
      ["authority form", { target: "acme.example:80" }, "malformed-request"],
      ["empty target", { target: "" }, "malformed-request"],
      ["dots inside a name", { target: "/a..b/..c/c../..." }, "passes"],
      ["dot dot", { target: "/a/.." }, "malformed-request"],
      ["half encoded", { target: "/a/.%2E/b" }, "malformed-request"],
      ["encoded backslash", { target: "/a/..%5cb" }, "malformed-request"],
      ["twice encoded is literal", { target: "/%252e%252e/" }, "passes"],
      ["dot dot in the query", { target: "/?a=../.." }, "passes"],
      ["te and cl", { fields: [...host, "Transfer-Encoding", "chunked", "Content-Length", "1"] }, "malformed-request"],
      ["te identity", { fields: [...host, "Transfer-Encoding", "identity"] }, "malformed-request"],
      ["te upper case", { fields: [...host, "Transfer-Encoding", "CHUNKED"] }, "passes"],
      ["te on 1.0", { version: "1.0", fields: [...host, "Transfer-Encoding", "chunked"] }, "malformed-request"],
      ["cl list", { fields: [...host, "Content-Length", "5, 5"] }, "malformed-request"],
      ["cl hex", { fields: [...host, "Content-Length", "0x5"] }, "malformed-request"],
      ["cl 2^53", { fields: [...host, "Content-Length", "9007199254740992"] }, "malformed-request"],
      ["cl empty", { fields: [...host, "Content-Length", ""] }, "malformed-request"],
      ["two authorizations", { fields: [...host, "Authorization", "a", "authorization", "b"] }, "malformed-request"],
    ] as const) {
      assert.equal(code(given), expected, what);
    }
  });

  it("asks for a WebSocket only with GET, Upgrade and a Connection that says so", () => {
    const fields = (connection: string) => ["Host", "acme.example", "Connection", connection, "Upgrade", "WebSocket"];
    assert.equal(checkHead(head({ fields: fields("keep-alive, Upgrade") })).websocket, true);
    assert.equal(checkHead(head({ fields: fields("keep-alive") })).websocket, false);
    assert.equal(checkHead(head({ method: "POST", fields: fields("upgrade") })).websocket, false);
  });
});

describe("fields", () => {
  const given = `00-${"a".repeat(32)}-${"b".repeat(16)}-00`;
  /** The lines for the cell, name and value each. */
  const toCell = (
    fields: string[],
    peerTrusted = false,
    since?: (parser: RequestParser) => void,
  ): [string, string][] => {
    const parser = head({ fields });
    const checked = checkHead(parser);
    since?.(parser);
    const sender = {
      peer: "10.0.0.1",
      peerTrusted,
      proto: "http",
      forwardedLines: forwardedLines("10.0.0.1", "http"),
    } as const;
    const ids = new Ids(checked.requestId ?? "r", given);
    const out = new Gather();
    headToCell(checked, ids, sender, false, out);
    endOfHead("record", out);
    const text = out.peek().toString("latin1");
    assert.ok(text.endsWith("\r\ncellplane-release-record: record\r\n\r\n"));
    const [line, ...lines] = text.split("\r\n").slice(0, -3);
    assert.equal(line, "GET / HTTP/1.1");
    return lines.map((each) => [each.split(": ", 1)[0] ?? "", each.slice(each.indexOf(": ") + 2)]);
  };

  it("of our own are known in every spelling", () => {
    const internal = (names: readonly string[]) => {
      const { fields } = head({ fields: ["Host", "acme.example", ...names.flatMap((name) => [name, "x"])] });
      return names.filter((_, index) => isInternal(fields.kind(index + 1)));
    };
    const ours = ["cellplane-assertion", "cellplane_assertion", "CELLPLANE_Slot", "cellplane-a_b", "cellplane_"];
    assert.deepEqual(internal(ours), ours);
    assert.deepEqual(internal(["cellplane", "x-cellplane-a", "cellplanes-a", "__proto__", "constructor"]), []);
  });

  it("are told apart by their bytes, however many there are: names that share a place share nothing else", () => {
    for (let round = 0; round < 3; round += 1) {
      for (let first = 0; first < 20_000; first += 100) {
        const names = Array.from({ length: 100 }, (_, index) => `x-${(first + index).toString(36)}`);
        const { fields } = head({ fields: ["Host", "acme.example", ...names.flatMap((name) => [name, "x"])] });
        assert.deepEqual(
          names.map((_, index) => fields.name(index + 1)),
          names,
        );
      }
    }
  });

  it("framing and host stand once and are ours, whatever Connection names", () => {
    const out = toCell([
      "Host",
      "acme.example",
      "Connection",
      "host, content-length, x-request-id, traceparent, x-forwarded-for",
      "Content-Length",
      "7",
      "X-Request-Id",
      "evil",
    ]);
    assert.deepEqual(out, [
      ["Host", "acme.example"],
      ["x-forwarded-for", "10.0.0.1"],
      ["x-forwarded-proto", "http"],
      ["x-forwarded-host", "acme.example"],
      ["x-request-id", "evil"],
      ["traceparent", given],
      ["content-length", "7"],
    ]);
  });

  it("are read once more where another head was parsed since, whole or in part", () => {
    const sent = ["X-A", "1", "Host", "acme.example", "Accept", "text/html", "TE", "trailers", "X-B", "2"];
    for (const other of [
      "GET /other HTTP/1.1\r\nHost: evil.example\r\nX-A: 3\r\n\r\n",
      "POST /other HTTP/1.1\r\nHo",
      "PU",
    ]) {
      const bytes = Buffer.from(other);
      const out = toCell(sent, false, (parser) => parser.parse(bytes, 0, bytes.length));
      assert.deepEqual(out.slice(0, 7), [...toCell(sent).slice(0, 7)], other);
    }
    const parser = head({ target: "/a?b=c", fields: sent });
    const checked = checkHead(parser);
    parser.parse(Buffer.from("PUT /x HTTP/1.1\r\nHost: b\r\n\r\n"), 0, 28);
    assert.deepEqual(
      [checked.method, checked.target, checked.hostField, checked.accept],
      ["GET", "/a?b=c", "acme.example", "text/html"],
    );
  });

  it("new ids are well formed and never twice; what a client gives stands, where it is well formed", () => {
    const bothOf = (ids: Ids): string => {
      const out = new Gather();
      ids.bothLines(out);
      return out.peek().toString("latin1");
    };
    const seen = new Set<string>();
    for (let round = 0; round < 1_000; round += 1) {
      const ids = new Ids(undefined, round % 2 === 0 ? undefined : "00-none");
      assert.match(ids.request, /^[0-9a-f]{32}$/);
      assert.match(ids.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
      assert.equal(bothOf(ids), `x-request-id: ${ids.request}\r\ntraceparent: ${ids.traceparent}\r\n`);
      for (const id of [ids.request, ...ids.traceparent.split("-").slice(1, 3)]) seen.add(id);
    }
    assert.equal(seen.size, 3_000);
    assert.match(
      bothOf(new Ids("mine", undefined)),
      /^x-request-id: mine\r\ntraceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-00\r\n$/,
    );
    const theirs = new Ids("not an id", given);
    assert.deepEqual([theirs.request.length, theirs.traceparent, theirs.givenTrace], [32, given, given]);
    theirs.traceUnder("00-span");
    assert.equal(bothOf(theirs), `x-request-id: ${theirs.request}\r\ntraceparent: 00-span\r\n`);
  });

  it("that pass are copied in runs, whatever is cut out between them, in their order and spelling", () => {
    const out = toCell(["X-A", "1", "Host", "acme.example", "X-B", "2", "x-c", "  3 ", "TE", "trailers", "X-D", ""]);
    assert.deepEqual(
      out.filter(([name]) => /^x-[a-d]$/i.test(name)).map(([name, value]) => `${name}=${value.trim()}`),
      ["X-A=1", "X-B=2", "x-c=3", "X-D="],
    );
  });

  it("of a trusted proxy are kept, and its address is appended", () => {
    const sent = [
      "Host",
      "acme.example",
      "X-Forwarded-For",
      "1.1.1.1",
      "X-Forwarded-Proto",
      "https",
      "Forwarded",
      "for=1.1.1.1",
    ];
    const out = toCell(sent, true);
    const valuesOf = (wanted: string) =>
      out.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
    assert.deepEqual(valuesOf("x-forwarded-for"), ["1.1.1.1, 10.0.0.1"]);
    assert.deepEqual(valuesOf("x-forwarded-proto"), ["https"]);
    assert.deepEqual(valuesOf("forwarded"), ["for=1.1.1.1"]);
  });

  it("of a cell are taken apart; a slot or release that is none is nothing", () => {
    const parser = new AnswerParser();
    const lines = linesOf([
      "Cellplane-Slot",
      "c",
      "CELLPLANE-RELEASE",
      "pulse@2",
      "Cellplane-Not-Executed",
      "slot-not-live",
      "X-A",
      "1",
      "Keep-Alive",
      "timeout=5",
      "Cellplane_Secret",
      "x",
      "Content-Length",
      "0",
      "X-Hop",
      "2",
    ]);
    const answer = (version: string, more: string): AnswerHead => {
      const bytes = Buffer.from(`HTTP/${version} 200 Fine\r\n${lines}${more}\r\n`);
      parser.parse(bytes, 0, bytes.length);
      return framingOfAnswer(parser, "GET");
    };
    const linesOfAnswer = (head: AnswerHead, keepLength: boolean): string => {
      const out = new Gather();
      linesToClient(head, keepLength, out);
      return out.peek().toString("latin1");
    };
    const first = answer("1.1", "Connection: x-hop, content-length\r\n");
    assert.equal(linesOfAnswer(first, true), "HTTP/1.1 200 Fine\r\nX-A: 1\r\nContent-Length: 0\r\n");
    assert.deepEqual(
      structuredClone(wordsOfCell(first)),
      {
        release: "pulse@2",
        slot: null,
        notExecuted: "slot-not-live",
        leaseWord: null,
        stateless: null,
        eventStream: false,
        dated: false,
      },
    );
    assert.equal(linesOfAnswer(answer("1.0", ""), false), "HTTP/1.1 200 Fine\r\nX-A: 1\r\nX-Hop: 2\r\n");
    const bytes = Buffer.from(
      "HTTP/1.1 200 OK\r\ncellplane-slot: b\r\ncellplane-release: pulse@20\r\ncontent-type: text/event-stream;x\r\ndate: x\r\n\r\n",
    );
    parser.parse(bytes, 0, bytes.length);
    const words = wordsOfCell(framingOfAnswer(parser, "GET"));
    assert.deepEqual(
      [words.slot, words.release, words.notExecuted, words.eventStream, words.dated],
      ["b", "pulse@20", null, true, true],
    );
  });
});

describe("keys, peers", () => {
  it("a key is taken from a well-formed bearer alone, and anything like one is ours to judge", () => {
    assert.match(keyDigestOf("bearer  cpk_abc-1_2 ") ?? "", /^[0-9a-f]{64}$/);
    for (const given of ["Basic cpk_abc", "Bearer cpk_a b", "Bearer xcpk_", "cpk_abc"])
      assert.equal(keyDigestOf(given), null, given);
    assert.ok(looksLikeKey("Basic cpk_abc") && !looksLikeKey("Basic dTpw"));
  });

  it("trusted peers are addresses and ranges, and nothing else", () => {
    const peers = new TrustedPeers(["10.0.0.0/8", "::1"]);
    assert.deepEqual(
      ["10.1.2.3", "11.0.0.1", "::1", "::2"].map((peer) => peers.has(peer)),
      [true, false, true, false],
    );
    assert.equal(new TrustedPeers([]).has("10.0.0.1"), false);
    for (const range of ["10.0.0.0/33", "localhost", "10.0.0.0/"])
      assert.throws(() => new TrustedPeers([range]), TypeError, range);
  });
});

describe("limits", () => {
  it("the bucket holds a second's worth and fills at the rate, shared among the routers", () => {
    const clock = new HandClock();
    const rates = new RateLimits(clock);
    const bucket = rates.bucketOf(tenant);
    assert.equal(rates.bucketOf(tenant), bucket);
    for (let index = 0; index < 5; index++) assert.equal(rates.take(bucket, 10, 2, clock.ms), 0);
    assert.equal(rates.take(bucket, 10, 2, clock.ms), 0.2);
    clock.ms += 200;
    assert.equal(rates.take(bucket, 10, 2, clock.ms), 0);
    assert.ok(rates.take(bucket, 10, 2, clock.ms) > 0);
    clock.ms += 60_000;
    for (let index = 0; index < 5; index++) assert.equal(rates.take(bucket, 10, 2, clock.ms), 0);
    assert.ok(rates.take(bucket, 10, 2, clock.ms) > 0);
  });

  it("in flight never goes beyond the cap", () => {
    const inFlight = new InFlight<string>();
    const load = inFlight.load("x");
    assert.equal(inFlight.load("x"), load);
    assert.deepEqual([inFlight.enter(load, 2), inFlight.enter(load, 2), inFlight.enter(load, 2)], [true, true, false]);
    assert.equal(inFlight.of("x"), 2);
    inFlight.leave(load);
    assert.equal(inFlight.enter(load, 2), true);
    assert.deepEqual([inFlight.refused, inFlight.of("y")], [1, 0]);
    // A name in flight is never forgotten, however many idle ones come.
    for (let index = 0; index < 100_001; index++) inFlight.load(`idle-${index}`);
    assert.equal(inFlight.load("x"), load);
  });

  it("retries are a fifth of the requests", () => {
    const budget = new RetryBudget();
    let spent = 0;
    for (let index = 0; index < 1_000; index++) {
      budget.earn();
      if (budget.spend()) spent += 1;
    }
    assert.ok(spent <= 211, `${spent}`);
  });
});

describe("a breaker", () => {
  it("opens after failures in a row, lets one probe through, and opens for longer when it fails", () => {
    const clock = new HandClock();
    const breaker = new Breaker(clock);
    for (let index = 0; index < 3; index++) breaker.failed("refused");
    breaker.answered();
    for (let index = 0; index < 3; index++) breaker.failed("refused");
    assert.equal(breaker.pass(), true);
    breaker.failed("refused");
    assert.deepEqual([breaker.state, breaker.refusing, breaker.pass()], ["open", true, false]);
    clock.ms += 200;
    assert.equal(breaker.refusing, false);
    assert.deepEqual([breaker.pass(), breaker.pass()], [true, false]);
    breaker.failed("refused");
    clock.ms += 200;
    assert.equal(breaker.pass(), false);
    clock.ms += 200;
    assert.equal(breaker.pass(), true);
    breaker.gaveUp();
    assert.equal(breaker.pass(), true);
    breaker.answered();
    assert.deepEqual([breaker.state, breaker.pass(), breaker.pass()], ["closed", true, true]);
  });

  it("two time-outs are enough", () => {
    const breaker = new Breaker(new HandClock());
    breaker.failed("timeout");
    breaker.failed("timeout");
    assert.equal(breaker.state, "open");
  });
});

describe("the parking lot", () => {
  const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };

  it("sends the first ahead as a probe, keeps it first when it comes back, and lets all go when thawed", async () => {
    const lot = new ParkingLot(clock);
    const deadline = performance.now() + 5_000;
    const told: string[] = [];
    const park = (name: string, again = false) =>
      lot.park(tenant, 1, deadline, again)?.word.then((word) => told.push(`${name} ${word}`));
    void park("1");
    void park("2");
    await sleep(60);
    assert.deepEqual(told, ["1 probe"]);
    void park("1", true);
    await sleep(60);
    assert.deepEqual(told, ["1 probe", "1 probe"]);
    lot.thawed(tenant);
    await sleep(1);
    assert.deepEqual(told, ["1 probe", "1 probe", "2 go"]);
    assert.equal(lot.count, 0);
  });

  it("is bounded in time, count and bytes, and a client that goes leaves no place behind", async () => {
    const lot = new ParkingLot(clock);
    const short = lot.park(tenant, 1, performance.now() - 1, false);
    assert.equal(await short?.word, "expired");
    assert.equal(lot.park(tenant, 33 * 1024 * 1024, performance.now() + 1_000, false), null);
    const places = Array.from({ length: 1_000 }, () => lot.park(tenant, 0, performance.now() + 60_000, false));
    assert.equal(lot.park(tenant, 0, performance.now() + 1_000, false), null);
    for (const place of places) place?.leave();
    assert.equal(await places[0]?.word, "left");
    assert.deepEqual([lot.count, lot.refused], [0, 2]);
  });
});
