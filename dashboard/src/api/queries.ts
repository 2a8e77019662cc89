import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import type {
  AuditList,
  AuditVerification,
  Overview,
  ReleaseList,
  RolloutList,
  Tenant,
  TenantList,
  Whoami,
} from "../../../common/contracts/control-plane.ts";
import type { Line } from "../../../common/contracts/rollout-records.ts";
import type { Rollout, RolloutPlan } from "../../../common/contracts/rollout.ts";
import type { Grouping, QueryAnswer } from "../../../common/contracts/rollups.ts";
import { call } from "./client.ts";

/** Changes are told by events; asking now and then covers what a lost event would hide. */
const calmMs = 10_000;
/** Health and bakes change without an event. */
const livelyMs = 3_000;

export const whoamiQuery = queryOptions({
  queryKey: ["whoami"],
  queryFn: () => call<Whoami>("GET", "/v1/whoami"),
  retry: false,
  staleTime: Infinity,
});

export const overviewQuery = queryOptions({
  queryKey: ["overview"],
  queryFn: () => call<Overview>("GET", "/v1/overview"),
  refetchInterval: livelyMs,
});

export const rolloutsQuery = queryOptions({
  queryKey: ["rollouts"],
  queryFn: async () => (await call<RolloutList>("GET", "/v1/rollouts")).rollouts,
  refetchInterval: calmMs,
});

export const rolloutQuery = (id: string) =>
  queryOptions({
    queryKey: ["rollout", id],
    queryFn: () => call<Rollout>("GET", `/v1/rollouts/${id}`),
    refetchInterval: livelyMs,
    placeholderData: keepPreviousData,
  });

export const lineQuery = queryOptions({
  queryKey: ["line"],
  queryFn: () => call<Line>("GET", "/v1/line"),
  refetchInterval: calmMs,
});

/** Made when it is asked for, and stored by its hash: the same request on the same fleet is the same plan. */
export const planQuery = (release: string) =>
  queryOptions({
    queryKey: ["plan", release],
    queryFn: () => call<RolloutPlan>("POST", "/v1/rollouts/plans", { release }),
    retry: false,
    refetchOnWindowFocus: false,
    staleTime: Infinity,
    gcTime: 0,
  });

export const releasesQuery = queryOptions({
  queryKey: ["releases"],
  queryFn: async () => (await call<ReleaseList>("GET", "/v1/releases")).releases,
  refetchInterval: calmMs,
});

export const tenantsQuery = queryOptions({
  queryKey: ["tenants"],
  queryFn: readTenants,
  refetchInterval: calmMs,
});

/** The API gives a thousand at once; a browser searches ten thousand without a pause. */
const pageSize = 1_000;
const mostPages = 10;

async function readTenants(): Promise<Tenant[]> {
  const all: Tenant[] = [];
  for (let page = 0; page < mostPages; page++) {
    const last = all.at(-1);
    const after = last === undefined ? "" : `&after=${last.slug}`;
    const { tenants } = await call<TenantList>("GET", `/v1/tenants?limit=${pageSize}${after}`);
    all.push(...tenants);
    if (tenants.length < pageSize) break;
  }
  return all;
}

export type Measure = "events" | "active-users";

export const numbersQuery = (measure: Measure, by: Grouping) =>
  queryOptions({
    queryKey: ["numbers", measure, by],
    queryFn: () => call<QueryAnswer>("GET", `/v1/query/${measure}?by=${by}`),
    refetchInterval: livelyMs,
    placeholderData: keepPreviousData,
  });

export const auditQuery = queryOptions({
  queryKey: ["audit"],
  queryFn: async () => (await call<AuditList>("GET", "/v1/audit")).entries,
  refetchInterval: calmMs,
});

export const auditVerificationQuery = queryOptions({
  queryKey: ["audit", "verification"],
  queryFn: () => call<AuditVerification>("GET", "/v1/audit/verification"),
});
