import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SampleCounter, Samples } from "../../../common/contracts/samples.ts";
import { cellId } from "../../../common/ids.ts";
import { histogramQuantile } from "../../../control-plane/rollout/histogram.ts";
import { extendWindow, openWindow } from "../../../control-plane/rollout/window.ts";
import { counter } from "./fixtures.ts";

const reading = (instance: string, counters: SampleCounter[], source = "router-1"): Samples => ({
  source,
  instance,
  at: "2026-01-01T00:00:00.000Z",
  counters,
});

describe("a window over cumulative counters", () => {
  it("holds what was counted since it was opened", () => {
    const opened = openWindow([reading("a", [counter({ requests: 100, errors: 3 })])]);
    const window = extendWindow(opened, [reading("a", [counter({ requests: 160, errors: 5 })])]);
    assert.deepEqual(window.counters, [counter({ requests: 60, errors: 2 })]);
  });

  it("goes on over a restart: the new instance began at zero", () => {
    let window = openWindow([reading("a", [counter({ requests: 100 })])]);
    window = extendWindow(window, [reading("a", [counter({ requests: 130 })])]);
    window = extendWindow(window, [reading("b", [counter({ requests: 40 })])]);
    window = extendWindow(window, [reading("b", [counter({ requests: 45 })])]);
    assert.deepEqual(window.counters, [counter({ requests: 75 })]);
  });

  it("adds several routers up and keeps cells, releases and kinds of traffic apart", () => {
    const other = counter({ cell: cellId("cell-2"), requests: 7 });
    const synthetic = counter({ synthetic: true, requests: 3 });
    const opened = openWindow([reading("a", []), reading("z", [], "router-2")]);
    const window = extendWindow(opened, [
      reading("a", [counter({ requests: 5 }), other]),
      reading("z", [counter({ requests: 6 }), synthetic], "router-2"),
    ]);
    assert.deepEqual(window.counters, [counter({ requests: 11 }), other, synthetic]);
  });

  it("leaves out what a router counted before it was first read", () => {
    let window = extendWindow(openWindow([]), [reading("a", [counter({ requests: 1_000 })])]);
    assert.deepEqual(window.counters, []);
    window = extendWindow(window, [reading("a", [counter({ requests: 1_002 })])]);
    assert.equal(window.counters[0]?.requests, 2);
  });

  it("survives JSON", () => {
    const window = extendWindow(openWindow([reading("a", [])]), [reading("a", [counter()])]);
    assert.deepEqual(JSON.parse(JSON.stringify(window)), window);
  });
});

describe("a quantile of a histogram", () => {
  it("lies within its bucket", () => {
    assert.deepEqual(histogramQuantile(counter({ requests: 100, latencyMs: 60 }).latency, 0.5), {
      aboveMs: 50,
      atMostMs: 75,
      estimateMs: 62.5,
    });
  });

  it("is open above in the last bucket, and nothing when nothing was counted", () => {
    assert.deepEqual(histogramQuantile(counter({ requests: 1, latencyMs: 99_999 }).latency, 0.99), {
      aboveMs: 10_000,
      atMostMs: Infinity,
      estimateMs: 10_000,
    });
    assert.equal(histogramQuantile(counter({ requests: 0 }).latency, 0.99), null);
  });
});
