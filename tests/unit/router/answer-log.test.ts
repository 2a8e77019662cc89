import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Clock } from "../../../common/clock.ts";
import type { Logger } from "../../../common/log.ts";
import { fail } from "../../../router/errors.ts";
import { AnswerLog } from "../../../router/proxy/answer-log.ts";
import type { Exchange } from "../../../router/proxy/exchange.ts";

type Line = Record<string, unknown> & { readonly level: string };

function bench(every: number) {
  const lines: Line[] = [];
  const at = (level: string) => (line: Record<string, unknown>) => void lines.push({ level, ...line });
  const log = { info: at("info"), warn: at("warn"), debug: at("debug"), error: at("error") } as unknown as Logger;
  const clock: Clock & { ms: number } = { ms: 0, monotonic: () => clock.ms, now: () => clock.ms };
  const exchange = (status: number, refused = false) =>
    ({
      status,
      refused,
      ids: { request: "r-1" },
      startedAt: 0,
      checked: { method: "GET", hostField: "acme.example", target: "/x?key=secret" },
    }) as unknown as Exchange;
  return { lines, clock, exchange, log: new AnswerLog(log, clock, every) };
}

describe("the access log", () => {
  it("has one answer in so many, and never a query", () => {
    const { log, exchange, lines } = bench(3);
    for (let n = 0; n < 9; n += 1) log.answered(exchange(200));
    assert.equal(lines.length, 3);
    assert.deepEqual(lines[0], {
      level: "info",
      event: "answered",
      requestId: "r-1",
      method: "GET",
      host: "acme.example",
      path: "/x",
      status: 200,
      ms: 0,
    });
  });

  it("has every error, the cells' own and ours, once each, also where nothing else is logged", () => {
    const { log, exchange, lines } = bench(0);
    log.answered(exchange(200));
    log.answered(exchange(404));
    log.answered(exchange(500));
    const refused = exchange(503, true);
    log.refused(refused, fail("cell-unavailable", "Nobody there."));
    log.answered(refused);
    assert.deepEqual(
      lines.map(({ level, event, status }) => [level, event, status]),
      [
        ["warn", "cell-failed", 500],
        ["warn", "request-failed", 503],
      ],
    );
  });

  it("counts what a cell that is down would fill the disk with", () => {
    const { log, exchange, lines, clock } = bench(0);
    for (let n = 0; n < 100; n += 1) log.answered(exchange(502));
    assert.equal(lines.length, 20);
    clock.ms = 1_000;
    log.answered(exchange(502));
    assert.deepEqual([lines[20]?.["event"], lines[20]?.["count"], lines.length], ["errors-not-logged", 80, 22]);
  });
});
