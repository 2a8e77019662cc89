import type { Clock } from "../../common/clock.ts";
import type { CellId, TenantId } from "../../common/ids.ts";
import { NoAnswer } from "../../common/http/exchange.ts";
import type { Logger } from "../../common/log.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { Loop } from "../loop.ts";
import { listCells, type CellRecord } from "../registry/cells.store.ts";
import { leaseApplied } from "../registry/tenants.ts";
import { tenantsToReconcile, type TenantRecord } from "../registry/tenants.store.ts";
import type { PartAnswer, PartClient } from "./part-client.ts";

const everyMs = 2_000;
/** Tenants looked at in one round, and calls at once. */
const batch = 500;
const concurrency = 8;
const callTimeoutMs = 3_000;

/** Why a lease is not as is wanted yet, told to whoever waits for it. */
export type LeaseTrouble = (tenant: TenantId) => string | undefined;

/**
 * Brings cells' leases to what the registry wants: granted at the tenant's epoch, suspended or not. At a sign and on a timer, each step
 * may be repeated. A cell that does not answer holds up its own tenants only.
 */
export function createLeaseReconciler(options: {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly parts: PartClient;
  readonly log: Logger;
}): { readonly loop: Loop; readonly trouble: LeaseTrouble } {
  const { pool, clock, parts, log } = options;
  const troubles = new Map<TenantId, string>();

  async function reconcile(tenant: TenantRecord, cell: CellRecord): Promise<void> {
    const problem = await applyLease(parts, tenant, cell);
    if (problem !== null) {
      if (troubles.get(tenant.id) !== problem)
        log.warn({ event: "lease-not-applied", tenant: tenant.id, cell: cell.id, problem });
      troubles.set(tenant.id, problem);
      return;
    }
    troubles.delete(tenant.id);
    await leaseApplied({ pool, clock }, { actor: "control-plane" }, tenant);
    log.info({ event: "lease-applied", tenant: tenant.id, cell: cell.id, epoch: tenant.epoch, state: tenant.state });
  }

  async function work(): Promise<void> {
    const behind = await tenantsToReconcile(pool, batch);
    if (behind.length === 0) return troubles.clear();
    const cells = new Map<CellId, CellRecord>((await listCells(pool)).map((cell) => [cell.id, cell]));
    const queue = behind.values();
    // Workers share one iterator: each tenant is taken once.
    const worker = async (): Promise<void> => {
      for (const tenant of queue) {
        const cell = cells.get(tenant.cell);
        if (cell !== undefined) await reconcile(tenant, cell);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
  }

  return {
    loop: new Loop({ name: "lease-reconciler", everyMs, work, log }),
    trouble: (tenant) => troubles.get(tenant),
  };
}

/** @returns what stands in the way, null when the lease is as wanted. */
async function applyLease(parts: PartClient, tenant: TenantRecord, cell: CellRecord): Promise<string | null> {
  // A cell is reached through the slot that is live; right after a switch that may be the other one.
  const slots = cell.liveSlot === "a" ? (["a", "b"] as const) : (["b", "a"] as const);
  let problem = `${cell.id} has no address`;
  for (const slot of slots) {
    const base = `${cell.slots[slot].adminUrl}/v1/leases/${tenant.id}`;
    try {
      const refusal = await callLease(parts, tenant, base);
      if (refusal === null) return null;
      problem = `${cell.id} refuses the lease: ${refusal}`;
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      problem = `${cell.id} does not answer`;
    }
  }
  return problem;
}

async function callLease(parts: PartClient, tenant: TenantRecord, base: string): Promise<string | null> {
  const { id: _id, epoch, slug, tier, synthetic, cell } = tenant;
  const call = { audience: cell, timeoutMs: callTimeoutMs };
  if (tenant.leaseApplied === 0) {
    const granted = await parts.call({ ...call, url: base, method: "PUT", body: { epoch, slug, tier, synthetic } });
    if (granted.status !== 200 && granted.status !== 201) return refusalOf(granted);
  }
  if (tenant.state === "provisioning") return null;
  const step = tenant.state === "suspended" ? "suspend" : "resume";
  const body = tenant.state === "suspended" && tenant.reason !== null ? { reason: tenant.reason } : {};
  const answer = await parts.call({ ...call, url: `${base}/${step}`, method: "POST", body });
  return answer.status === 200 ? null : refusalOf(answer);
}

function refusalOf({ status, body }: PartAnswer): string {
  const { code, detail } = (body ?? {}) as { code?: unknown; detail?: unknown };
  return `${status} ${typeof code === "string" ? code : ""} ${typeof detail === "string" ? detail : ""}`.trim();
}
