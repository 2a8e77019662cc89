import type { Migration, MigrationClass, Release } from "../../../common/contracts/release.ts";
import { latencyBoundsMs, type SampleCounter } from "../../../common/contracts/samples.ts";
import { cellId, releaseName } from "../../../common/ids.ts";
import type { PlanRequest } from "../../../control-plane/rollout/plan-request.ts";
import { defaultRolloutPolicy } from "../../../control-plane/rollout/policy.ts";
import type { FleetCell } from "../../../control-plane/rollout/waves.ts";

const digest = (text: string): string => Buffer.from(text).toString("hex").padEnd(64, "0").slice(0, 64);

export const migration = (
  number: number,
  ofClass: MigrationClass = "expand",
  series: "kit" | "app" = "app",
): Migration => ({
  series,
  number,
  name: `step-${number}`,
  class: ofClass,
  digest: digest(`${series}${number}`),
});

export function aRelease(
  name: string,
  migrations: readonly Migration[] = [migration(1)],
  overrides: Partial<Release> = {},
): Release {
  const [application = "", version = ""] = name.split("@");
  return {
    name: releaseName(name),
    digest: digest(name),
    state: "available",
    reason: null,
    createdAt: "2026-01-01T00:00:00.000Z",
    manifest: {
      name: releaseName(name),
      application,
      version,
      runtime: "v24.0.0",
      files: [{ path: "api.mjs", digest: digest("api"), bytes: 1, executable: false }],
      migrations: [...migrations],
      configuration: {},
      aggregates: [],
    },
    ...overrides,
  };
}

export const aFleetCell = (name: string, overrides: Partial<FleetCell> = {}): FleetCell => ({
  cell: cellId(name),
  region: "eu",
  ring: "stable",
  release: releaseName("pulse@1"),
  schema: { kit: 0, app: 1 },
  tenants: { free: 1 },
  ...overrides,
});

export const request = (overrides: Partial<PlanRequest> = {}): PlanRequest => ({
  application: "pulse",
  release: releaseName("pulse@2"),
  releases: [aRelease("pulse@1"), aRelease("pulse@2", [migration(1), migration(2)])],
  cells: [aFleetCell("cell-1"), aFleetCell("cell-2"), aFleetCell("cell-3")],
  policy: defaultRolloutPolicy,
  ...overrides,
});

/** A counter whose answers all took `latencyMs`. */
export function counter(overrides: Partial<SampleCounter> & { readonly latencyMs?: number } = {}): SampleCounter {
  const { latencyMs = 10, ...rest } = overrides;
  const base = {
    cell: cellId("cell-1"),
    release: releaseName("pulse@2"),
    synthetic: false,
    requests: 100,
    errors: 0,
    ...rest,
  };
  const bucket = latencyBoundsMs.findIndex((bound) => latencyMs <= bound);
  const latency = Array.from({ length: latencyBoundsMs.length + 1 }, () => 0);
  latency[bucket === -1 ? latencyBoundsMs.length : bucket] = base.requests;
  return { ...base, latency, ...(overrides.latency === undefined ? {} : { latency: overrides.latency }) };
}
