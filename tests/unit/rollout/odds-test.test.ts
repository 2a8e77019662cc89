import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { logEvidence } from "../../../control-plane/rollout/odds-test.ts";
import { generator } from "./random.ts";

const before = { errors: 72, controlErrors: 648 };
const now = (errors: number, controlErrors: number, exposure = 1) => [{ errors, controlErrors, exposure }];

describe("evidence for a rise of the odds", () => {
  it("is none where nothing has changed, and grows with the rise", () => {
    const values = [72, 100, 144, 288].map((errors) => logEvidence(before, now(errors, 648)));
    assert.ok((values[0] ?? 1) <= 0);
    assert.deepEqual(
      values,
      values.toSorted((a, b) => a - b),
    );
  });

  it("of the same rise stays enough the longer it lasts", () => {
    const values = [1, 2, 4, 8, 24].map((hours) => logEvidence(before, now(144 * hours, 648 * hours)));
    assert.ok(
      values.every((value) => value > Math.log(100)),
      values.join(", "),
    );
  });

  it("is none where traffic has grown as the errors have", () => {
    assert.ok(logEvidence(before, now(144, 648, 2)) <= 0);
    assert.ok(logEvidence(before, now(144, 1_296)) <= 0);
  });

  it("does not change when looks of the same exposure are taken as one", () => {
    const counts = fc.array(fc.record({ errors: fc.nat(30), controlErrors: fc.nat(60) }), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(counts, (list) => {
        const apart = list.map((look) => ({ ...look, exposure: 1 }));
        const sum = (key: "errors" | "controlErrors"): number => list.reduce((total, look) => total + look[key], 0);
        const together = logEvidence(before, now(sum("errors"), sum("controlErrors")));
        assert.ok(Math.abs(logEvidence(before, apart) - together) < 1e-6);
      }),
      { numRuns: 50 },
    );
  });

  it("below what is asked for may be an estimate from above, never one that is enough", () => {
    fc.assert(
      fc.property(fc.nat(200), fc.nat(800), (errors, controlErrors) => {
        const exact = logEvidence(before, now(errors, controlErrors));
        const quick = logEvidence(before, now(errors, controlErrors), 4.6);
        assert.ok(quick >= exact - 1e-6);
        assert.equal(quick >= 4.6, exact >= 4.6);
      }),
      { numRuns: 100 },
    );
  });

  it("reaches 1/α with probability α at most, however often one looks, also with little known of before", () => {
    // Odds of one to nine both before and after; some ten errors before, and a look at every single error.
    const random = generator(7);
    const [alpha, trials] = [0.1, 600];
    let reached = 0;
    for (let trial = 0; trial < trials; trial += 1) {
      const own = Array.from({ length: 100 }, () => (random() < 0.1 ? 1 : 0)).reduce<number>(
        (sum, hit) => sum + hit,
        0,
      );
      const known = { errors: own, controlErrors: 100 - own };
      const seen = { errors: 0, controlErrors: 0, exposure: 1 };
      for (let error = 0; error < 150; error += 1) {
        const isOwn = random() < 0.1;
        if (isOwn) seen.errors += 1;
        else seen.controlErrors += 1;
        // Only an error of its own can raise the evidence.
        if (!isOwn || logEvidence(known, [seen], Math.log(1 / alpha)) < Math.log(1 / alpha)) continue;
        reached += 1;
        break;
      }
    }
    assert.ok(reached / trials <= alpha, `${reached} of ${trials}`);
  });
});
