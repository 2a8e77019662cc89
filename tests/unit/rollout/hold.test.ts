import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RolloutPolicy } from "../../../common/contracts/rollout-policy.ts";
import { holdBack, openCells } from "../../../control-plane/rollout/hold.ts";
import { planRollout } from "../../../control-plane/rollout/plan.ts";
import { policyWith } from "../../../control-plane/rollout/policy.ts";
import { aFleetCell, request } from "./fixtures.ts";

const now = Date.parse("2026-11-20T12:00:00Z");
const nights = { name: "nights", timeZone: "UTC", days: [], from: "22:00", to: "04:00" };
const noon = { name: "noon", timeZone: "UTC", days: [], from: "11:00", to: "13:00" };
const freeze = { name: "launch", since: "2026-11-20T00:00:00Z", until: "2026-11-20T18:00:00Z" };
const approvals = { required: 1, of: [], waves: [1], expiresSeconds: 600 };

/** What holds back a first wave of these cells. */
function held(
  wishes: Partial<RolloutPolicy>,
  maintenance: (typeof nights)[][] = [[]],
  more: { approved?: number[]; untouched?: boolean; exposed?: { at: number; tenants: number }[] } = {},
): string | null {
  const cells = maintenance.map((windows, n) =>
    aFleetCell(`cell-${n + 1}`, { maintenance: windows, tenants: { free: 10 } }),
  );
  const policy = policyWith({ canaryCells: cells.length, timeScale: 1, ...wishes });
  const plan = planRollout(request({ cells, policy }));
  const event = holdBack(
    plan,
    { wave: 1, approvedWaves: more.approved ?? [], forcedWaves: [] },
    plan.waves[0]?.cells ?? [],
    more.untouched ?? true,
    more.exposed ?? [],
    now,
  );
  if (event === null) return null;
  if (event.kind === "asks") return `approval of wave ${event.approvals.wave}`;
  return event.kind === "waits" && event.until !== null
    ? `${event.for} ${new Date(event.until).toISOString().slice(0, 16)}`
    : event.kind;
}

describe("a wave is held back", () => {
  const cases: readonly [name: string, found: string | null, expected: string | null][] = [
    ["by nothing, usually", held({}), null],
    ["until people have approved it", held({ approvals }), "approval of wave 1"],
    ["not again when they have", held({ approvals }, [[]], { approved: [1] }), null],
    ["nor once it has begun", held({ approvals }, [[]], { untouched: false }), null],
    ["until a freeze ends", held({ freezes: [freeze] }), "window 2026-11-20T18:00"],
    ["until its cell's window opens", held({}, [[nights]]), "window 2026-11-20T22:00"],
    ["until the first of its cells may be changed", held({}, [[nights], [noon]]), null],
    [
      "until a freeze ends within its cell's window",
      held({ freezes: [{ ...freeze, until: "2026-11-20T23:30:00Z" }] }, [[nights]]),
      "window 2026-11-20T23:30",
    ],
    [
      "until the blast radius has room",
      held({ blastRadius: { tenants: 15 } }, [[]], { exposed: [{ at: now - 600_000, tenants: 10 }] }),
      "window 2026-11-20T12:50",
    ],
    [
      "for a day where no window comes at all",
      held({ freezes: [{ ...nights, from: "21:00", to: "05:00" }] }, [[nights]]),
      "window 2026-11-21T12:00",
    ],
  ];
  for (const [name, found, expected] of cases) it(name, () => assert.equal(found, expected));

  it("cell by cell: only those are begun that may be", () => {
    const cells = [[nights], [noon], []].map((maintenance, n) => aFleetCell(`cell-${n + 1}`, { maintenance }));
    const plan = planRollout(request({ cells, policy: policyWith({ canaryCells: 3 }) }));
    const open = openCells(plan.policy, plan.waves[0]?.cells ?? [], false, now).map(({ cell }) => cell);
    assert.deepEqual(open, ["cell-2", "cell-3"]);
  });
});
