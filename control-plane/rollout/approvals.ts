import type { ApprovalPolicy } from "../../common/contracts/rollout-policy.ts";
import type { CommandRefusal } from "./refusal.ts";

/** What has been said about a wave that waits for approval. Plain JSON. */
export interface Approvals {
  readonly wave: number;
  /** Milliseconds since 1970; without enough approvals by then the rollout is rejected. */
  readonly expiresAt: number;
  readonly approvedBy: readonly string[];
}

/** Whether a wave waits for people. */
export function needsApproval(policy: ApprovalPolicy | undefined, wave: number): boolean {
  return policy !== undefined && policy.waves.includes(wave);
}

export function askForApproval(policy: ApprovalPolicy, wave: number, now: number): Approvals {
  return { wave, expiresAt: now + policy.expiresSeconds * 1_000, approvedBy: [] };
}

/**
 * Why somebody's approval, or rejection, does not count; null when it does. It is bound to the plan: a plan's hash is part of it, and
 * never left out. The requester may withdraw what they asked for, but not approve it.
 */
export function approvalRefusal(
  policy: ApprovalPolicy,
  approvals: Approvals,
  said: { readonly command: "approve" | "reject"; readonly actor: string; readonly planHash: string | null },
  requestedBy: string,
  now: number,
): CommandRefusal | null {
  const { command, actor } = said;
  if (said.planHash === null)
    return { code: "plan-differs", detail: "an approval names the plan's hash that was looked at" };
  if (now >= approvals.expiresAt) return { code: "not-in-this-state", detail: "the time for approvals is over" };
  if (command === "approve" && actor === requestedBy)
    return { code: "not-yours-to-approve", detail: `${actor} asked for the rollout; somebody else approves it` };
  const mayReject = command === "reject" && actor === requestedBy;
  if (policy.of.length > 0 && !policy.of.includes(actor) && !mayReject)
    return { code: "not-yours-to-approve", detail: `${actor} is none of ${policy.of.join(", ")}` };
  if (command === "approve" && approvals.approvedBy.includes(actor))
    return { code: "not-in-this-state", detail: `${actor} has approved already` };
  return null;
}

/** @returns the approvals with one more, and whether they are enough. */
export function approve(
  policy: ApprovalPolicy,
  approvals: Approvals,
  actor: string,
): { readonly approvals: Approvals; readonly enough: boolean } {
  const approvedBy = [...approvals.approvedBy, actor];
  return { approvals: { ...approvals, approvedBy }, enough: approvedBy.length >= policy.required };
}
