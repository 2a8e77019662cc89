import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { cellId, releaseName } from "../../../common/ids.ts";
import { exposableAt, mostExposed } from "../../../control-plane/rollout/blast-radius.ts";
import { afterQuarantine, membershipChange, type Member } from "../../../control-plane/rollout/membership.ts";
import { planRollout } from "../../../control-plane/rollout/plan.ts";
import { request } from "./fixtures.ts";

const hour = 3_600_000;

describe("the blast radius", () => {
  it("is the smaller of its bounds, and none without a budget", () => {
    assert.equal(mostExposed(undefined, 1_000), Infinity);
    assert.equal(mostExposed({ tenants: 50 }, 1_000), 50);
    assert.equal(mostExposed({ percent: 3 }, 1_000), 30);
    assert.equal(mostExposed({ tenants: 50, percent: 3 }, 1_000), 30);
  });

  const cases: readonly [name: string, tenants: number, past: readonly [at: number, tenants: number][], at: number][] =
    [
      ["nothing exposed yet: now", 100, [], 0],
      ["room beside what is exposed: now", 60, [[-1, 40]], 0],
      [
        "no room: when the oldest is an hour ago",
        70,
        [
          [-1_000, 40],
          [-500, 10],
        ],
        hour - 1_000,
      ],
      [
        "more than one must be over",
        95,
        [
          [-1_000, 40],
          [-500, 10],
        ],
        hour - 500,
      ],
      ["what is over counts no more", 100, [[-hour, 100]], 0],
    ];
  for (const [name, tenants, past, at] of cases) {
    it(name, () => {
      const exposed = past.map(([when, count]) => ({ at: when, tenants: count }));
      assert.equal(exposableAt(0, tenants, exposed, 100, 1), at);
    });
  }

  it("is never passed within any hour, whatever comes", () => {
    const waves = fc.array(fc.record({ tenants: fc.integer({ min: 1, max: 100 }), pause: fc.nat(2 * hour) }), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(waves, (list) => {
        const past: { at: number; tenants: number }[] = [];
        let now = 0;
        for (const { tenants, pause } of list) {
          now += pause;
          const at = exposableAt(now, tenants, past, 100, 1);
          assert.ok(at >= now);
          past.push({ at, tenants });
          now = at;
        }
        for (const { at } of past) {
          const within = past.filter((one) => one.at <= at && one.at > at - hour);
          assert.ok(within.reduce((sum, one) => sum + one.tenants, 0) <= 100);
        }
      }),
    );
  });
});

describe("cells that come and go during a rollout", () => {
  const plan = planRollout(request());
  const member = (name: string, release: string | null): Member => ({
    cell: cellId(name),
    release: release === null ? null : releaseName(release),
  });
  const [one, two, three] = [member("cell-1", "pulse@2"), member("cell-2", "pulse@1"), member("cell-3", "pulse@1")];

  it("a removed one is skipped", () => {
    assert.deepEqual(membershipChange(plan, [one, two], [one.cell]), { gone: ["cell-3"], joining: [] });
  });

  it("a new one, and one without a release yet, join after the last wave", () => {
    const joining = [member("cell-8", "pulse@1"), member("cell-9", null)];
    assert.deepEqual(membershipChange(plan, [one, two, three, ...joining], [one.cell]).joining, joining);
  });

  it("one that was restored after its wave joins too; one that waits for its wave does not", () => {
    const restored = member("cell-1", "pulse@1");
    assert.deepEqual(membershipChange(plan, [restored, two, three], [restored.cell]).joining, [restored]);
    assert.deepEqual(membershipChange(plan, [restored, two, three], []).joining, []);
  });

  it("one that has the release already needs nothing", () => {
    assert.deepEqual(membershipChange(plan, [one, two, three, member("cell-9", "pulse@2")], []).joining, []);
  });

  it("on quarantine nobody catches up any more, and who has the release goes back", () => {
    const joining = [member("cell-8", "pulse@1"), member("cell-9", "pulse@2")];
    assert.deepEqual(afterQuarantine(plan, joining), { cancelled: ["cell-8"], back: ["cell-9"] });
  });
});
