import { randomUUID } from "node:crypto";
import type { JourneyStep } from "../../common/contracts/release.ts";

/** A step of a synthetic tenant's journey, before it is addressed to a slot or a router. */
export interface Step {
  readonly name: string;
  readonly method: JourneyStep["method"];
  readonly path: string;
  /** JSON text. */
  readonly body?: string;
  /** Whether a status counts as success. */
  passes(status: number): boolean;
}

/** Of an application that declares no journey only its front door is tried: whatever it answers, it must not be its own failure. */
const frontDoor: Step = { name: "front door", method: "GET", path: "/", passes: (status) => status < 500 };

/**
 * What the synthetic tenant does to find out whether a release serves, for one round: the journey that the release declares, `{{uuid}}` and `{{now}}` filled
 * in, the same UUID all through a round.
 */
export function stepsOf(journey: readonly JourneyStep[] | undefined, nowMs: number): readonly Step[] {
  if (journey === undefined) return [frontDoor];
  const uuid = randomUUID();
  const now = new Date(nowMs).toISOString();
  const fill = (text: string): string => text.replaceAll("{{uuid}}", uuid).replaceAll("{{now}}", now);
  return journey.map(({ name, method, path, body, expect }) => ({
    name,
    method,
    path: fill(path),
    // Neither value holds what JSON would escape.
    ...(body === undefined ? {} : { body: fill(JSON.stringify(body)) }),
    passes: (status) => status === expect,
  }));
}
