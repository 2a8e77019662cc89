import assert from "node:assert/strict";
import { test } from "node:test";
import { AssertionVerifier } from "../../../cells/kit/assertions.ts";
import { ClockSkew } from "../../../cells/kit/clock-skew.ts";
import { FleetDocument } from "../../../common/fleet/document.ts";
import { TrustStore } from "../../../common/fleet/trust.ts";
import { CellplaneError } from "../../../common/errors.ts";
import { cellId } from "../../../common/ids.ts";
import { generateSigningKey, type SigningKey } from "../../../common/keys.ts";
import { createLog } from "../../../common/log.ts";
import { signToken } from "../../../common/tokens.ts";

const cell = cellId("cell-1");
const tenant = "01890000-0000-7000-8000-000000000001";

class Bench {
  nowMs = 1_800_000_000_000;
  readonly clock = { now: () => this.nowMs, monotonic: () => this.nowMs };
  readonly trust = new TrustStore();
  readonly skew = new ClockSkew("routers", this.clock, createLog("test", "silent"));
  readonly verifier = new AssertionVerifier(cell, this.trust, () => false, this.clock, this.skew);

  trusts(...keys: SigningKey[]): void {
    const row = { id: "router-1", role: "router", keys: keys.map(({ spki }) => spki), url: null };
    this.trust.replace(FleetDocument.of({ "part/router-1": row }, { term: 1, n: 1 }));
  }

  sign(key: SigningKey, changes: Record<string, unknown> = {}): Promise<string> {
    const iat = Math.floor(this.nowMs / 1000);
    const claims = { iss: "router-1", aud: cell, tenant, epoch: 1, principal: "anonymous", synthetic: false };
    return signToken("cp-assertion", { ...claims, iat, exp: iat + 60, ...changes }, key);
  }

  /** `accepted`, or the code of the refusal. */
  async ask(token: string): Promise<string> {
    try {
      await this.verifier.verify(token);
      return "accepted";
    } catch (error) {
      if (error instanceof CellplaneError) return error.code;
      throw error;
    }
  }
}

test("a router's key rotates without a restart: two are live at once, and a removed one counts no more, remembered tokens included", async () => {
  const bench = new Bench();
  const [old, next] = [generateSigningKey(), generateSigningKey()];
  bench.trusts(old);
  const [byOld, byNext] = [await bench.sign(old), await bench.sign(next)];
  assert.deepEqual([await bench.ask(byOld), await bench.ask(byNext)], ["accepted", "assertion-refused"]);
  bench.trusts(old, next);
  assert.deepEqual([await bench.ask(byOld), await bench.ask(byNext)], ["accepted", "accepted"]);
  bench.trusts(next);
  assert.deepEqual([await bench.ask(byOld), await bench.ask(byNext)], ["assertion-refused", "accepted"]);
});

test("a verified assertion is remembered to its expiry, and not a moment longer", async () => {
  const bench = new Bench();
  const key = generateSigningKey();
  bench.trusts(key);
  const token = await bench.sign(key);
  assert.equal(await bench.verifier.verify(token), await bench.verifier.verify(token));
  bench.nowMs += 64_000;
  assert.equal(await bench.ask(token), "accepted");
  bench.nowMs += 1_000;
  assert.equal(await bench.ask(token), "assertion-refused");
});

test("an assertion that claims to live for ever is refused", async () => {
  const bench = new Bench();
  const key = generateSigningKey();
  bench.trusts(key);
  const iat = Math.floor(bench.nowMs / 1000);
  assert.equal(await bench.ask(await bench.sign(key, { exp: iat + 3_600 })), "assertion-refused");
});

test("fault 22: a cell that refuses all assertions for their time says clock-skew, and stops saying so with the first in its time", async () => {
  const key = generateSigningKey();
  for (const [offset, way] of [
    [600, "behind"],
    [-600, "ahead of"],
  ] as const) {
    const bench = new Bench();
    bench.trusts(key);
    const signed = async () => {
      const iat = Math.floor(bench.nowMs / 1000) + offset;
      return bench.sign(key, { iat, exp: iat + 60 });
    };
    const answers: string[] = [];
    for (let second = 0; second < 4; second++) {
      answers.push(await bench.ask(await signed()));
      bench.nowMs += 1_000;
    }
    assert.deepEqual(answers, ["assertion-refused", "assertion-refused", "clock-skew", "clock-skew"]);
    assert.match(bench.skew.problems().join(), new RegExp(`^clock-skew: .*600 s ${way}`));
    assert.deepEqual(
      bench.skew.alarms().map(({ code }) => code),
      ["clock-skew"],
    );
    assert.equal(await bench.ask(await bench.sign(key)), "accepted");
    assert.deepEqual([bench.skew.problems(), bench.skew.alarms()], [[], []]);
  }
});

test("neither late tokens among good ones nor forged ones make a cell doubt its clock", async () => {
  const bench = new Bench();
  const [key, stranger] = [generateSigningKey(), generateSigningKey()];
  bench.trusts(key);
  const late = await bench.sign(key, { iat: 1_700_000_000, exp: 1_700_000_060 });
  const forged = await bench.sign(stranger, { iat: 1_700_000_000, exp: 1_700_000_060 });
  const good = await bench.sign(key);
  for (let second = 0; second < 10; second++) {
    assert.equal(await bench.ask(late), "assertion-refused");
    assert.equal(await bench.ask(forged), "assertion-refused");
    assert.equal(await bench.ask(good), "accepted");
    bench.nowMs += 1_000;
  }
  for (let second = 0; second < 10; second++) {
    assert.equal(await bench.ask(forged), "assertion-refused");
    bench.nowMs += 1_000;
  }
  assert.equal(bench.skew.skewed, false);
});
