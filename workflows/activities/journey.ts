import { randomUUID } from "node:crypto";
import type { Exchange } from "../../common/http/exchange.ts";

/** One step of a synthetic tenant's journey, before it is addressed to a slot or a router. */
export interface JourneyStep {
  readonly name: string;
  readonly method: Exchange["method"];
  readonly path: string;
  readonly body?: string;
  /** Statuses that count as success. */
  passes(status: number): boolean;
}

/**
 * What the synthetic tenant does to find out whether a release serves: for the reference application it sends an event and
 * reads its statistics, which takes the write path and the read path once each. Of an application that is not known here only
 * its front door is tried: whatever it answers, it must not be its own failure.
 */
export function journeyOf(application: string, nowMs: number): readonly JourneyStep[] {
  if (application !== "pulse") {
    return [{ name: "front door", method: "GET", path: "/", passes: (status) => status < 500 }];
  }
  const event = {
    id: randomUUID(),
    type: "synthetic.journey",
    user: "synthetic",
    at: new Date(nowMs).toISOString(),
    value: 1,
  };
  return [
    {
      name: "send an event",
      method: "POST",
      path: "/v1/events",
      body: JSON.stringify({ events: [event] }),
      passes: (status) => status === 202,
    },
    { name: "read statistics", method: "GET", path: "/v1/stats", passes: (status) => status === 200 },
  ];
}
