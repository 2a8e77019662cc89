import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../../common/clock.ts";
import type { TenantId } from "../../../common/ids.ts";
import { CellplaneError } from "../../../common/errors.ts";
import { Breaker } from "../../../router/guard/breaker.ts";
import { checkHead } from "../../../router/guard/head.ts";
import { InFlight } from "../../../router/guard/in-flight.ts";
import { keyDigestOf, looksLikeKey } from "../../../router/guard/key.ts";
import { ParkingLot } from "../../../router/guard/parking.ts";
import { TrustedPeers } from "../../../router/guard/peers.ts";
import { RateLimits } from "../../../router/guard/rate.ts";
import { RetryBudget } from "../../../router/guard/retry-budget.ts";
import { parsedHead, type Given } from "../../support/http/heads.ts";

class HandClock implements Clock {
  ms = 1_000_000;
  now = () => this.ms;
  monotonic = () => this.ms;
}
const tenant = "01890000-0000-7000-8000-000000000001" as TenantId;
const code = (given: Given): string => {
  try {
    checkHead(parsedHead(given));
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
    assert.equal(checkHead(parsedHead({ fields: fields("keep-alive, Upgrade") })).websocket, true);
    assert.equal(checkHead(parsedHead({ fields: fields("keep-alive") })).websocket, false);
    assert.equal(checkHead(parsedHead({ method: "POST", fields: fields("upgrade") })).websocket, false);
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
