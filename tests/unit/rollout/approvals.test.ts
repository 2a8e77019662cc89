import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ApprovalPolicy } from "../../../common/contracts/rollout-policy.ts";
import { approvalRefusal, approve, askForApproval, needsApproval } from "../../../control-plane/rollout/approvals.ts";
import { policyWith } from "../../../control-plane/rollout/policy.ts";

const policy: ApprovalPolicy = { required: 2, of: ["anna", "ben", "carl"], waves: [1], expiresSeconds: 3_600 };
const asked = askForApproval(policy, 1, 0);
const planHash = "a".repeat(64);
const said = (actor: string, command: "approve" | "reject" = "approve", hash: string | null = planHash) => ({
  actor,
  command,
  planHash: hash,
});

describe("approvals", () => {
  it("are asked for before the waves that the policy names", () => {
    assert.deepEqual(
      [needsApproval(policy, 1), needsApproval(policy, 2), needsApproval(undefined, 1)],
      [true, false, false],
    );
  });

  it("are enough when N of M different people have given theirs", () => {
    const first = approve(policy, asked, "anna");
    assert.deepEqual([first.enough, first.approvals.approvedBy], [false, ["anna"]]);
    assert.equal(approvalRefusal(policy, first.approvals, said("ben"), "zoe", 1), null);
    assert.equal(approve(policy, first.approvals, "ben").enough, true);
  });

  const refusals: readonly [name: string, given: Parameters<typeof approvalRefusal>, code: string, detail: RegExp][] = [
    [
      "of the requester",
      [policy, asked, said("anna"), "anna", 1],
      "not-yours-to-approve",
      /anna asked for the rollout/,
    ],
    [
      "of somebody who is not named",
      [policy, asked, said("dora"), "zoe", 1],
      "not-yours-to-approve",
      /dora is none of/,
    ],
    [
      "given twice by one person",
      [policy, { ...asked, approvedBy: ["anna"] }, said("anna"), "zoe", 1],
      "not-in-this-state",
      /anna has approved already/,
    ],
    [
      "without the plan's hash",
      [policy, asked, said("anna", "approve", null), "zoe", 1],
      "plan-differs",
      /plan's hash/,
    ],
    ["after its time", [policy, asked, said("anna"), "zoe", 3_600_000], "not-in-this-state", /time .* is over/],
    ["a rejection of a stranger", [policy, asked, said("dora", "reject"), "zoe", 1], "not-yours-to-approve", /dora/],
  ];
  for (const [name, given, code, detail] of refusals) {
    it(`do not count: ${name}`, () => {
      const refusal = approvalRefusal(...given);
      assert.equal(refusal?.code, code);
      assert.match(refusal?.detail ?? "", detail);
    });
  }

  it("may be given by anybody else where nobody is named, and the requester may withdraw", () => {
    const open = { ...policy, of: [] };
    assert.equal(approvalRefusal(open, asked, said("dora"), "zoe", 1), null);
    assert.equal(approvalRefusal(policy, asked, said("zoe", "reject"), "zoe", 1), null);
  });

  it("cannot be more than there are people", () => {
    const approvals = { ...policy, required: 4 };
    assert.throws(() => policyWith({ approvals }), { code: "invalid-policy", message: /4 approvals cannot come of 3/ });
  });
});
