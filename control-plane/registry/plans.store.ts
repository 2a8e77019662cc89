import type { RolloutPlan } from "../../common/contracts/rollout.ts";
import type { Queryable } from "../../common/postgres/pool.ts";

/** Stores a plan under its hash; the same plan again changes nothing. */
export async function insertPlan(tx: Queryable, plan: RolloutPlan, requestedBy: string): Promise<void> {
  const text = `INSERT INTO rollout_plans (hash, application, release, requested_by, document) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (hash) DO NOTHING`;
  await tx.query(text, [plan.hash, plan.application, plan.release, requestedBy, JSON.stringify(plan)]);
}

export async function findPlan(db: Queryable, hash: string): Promise<RolloutPlan | null> {
  const text = "SELECT document FROM rollout_plans WHERE hash = $1";
  return (await db.query<{ document: RolloutPlan }>(text, [hash])).rows[0]?.document ?? null;
}
