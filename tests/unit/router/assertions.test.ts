import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Assertion } from "../../../common/contracts/assertion.ts";
import type { TenantRow } from "../../../common/contracts/fleet.ts";
import type { CellId, KeyId, PartId, TenantId } from "../../../common/ids.ts";
import { generateSigningKey } from "../../../common/keys.ts";
import { verifyToken } from "../../../common/tokens.ts";
import { Assertions } from "../../../router/guard/assertions.ts";

const tenant = "01890000-0000-7000-8000-000000000001" as TenantId;

describe("assertions", () => {
  it("are made once per tenant and key and reused until near their end, never at another epoch or cell, nor after a clock was set back", async () => {
    const key = generateSigningKey();
    const clock = { ms: 1_000_000, now: () => clock.ms, monotonic: () => clock.ms };
    let keyNow = key;
    const assertions = new Assertions("router-1" as PartId, () => keyNow, clock);
    const kept = { assertion: null };
    const tokenOf = (line: Buffer) => /^cellplane-assertion: (.*)\r\n$/.exec(line.toString())?.[1] ?? "";
    const cell = "cell-1" as CellId;
    const row = { id: tenant, synthetic: false } as TenantRow;
    const first = assertions.line(kept, cell, 1, row, "anonymous");
    clock.ms += 39_000;
    assert.equal(assertions.line(kept, cell, 1, row, "anonymous"), first);
    clock.ms += 2_000;
    const second = assertions.line(kept, cell, 1, row, "anonymous");
    assert.notEqual(second, first);
    const others = [
      assertions.line(kept, cell, 2, row, "anonymous"),
      assertions.line(kept, "cell-2" as CellId, 2, row, "anonymous"),
      assertions.line(kept, cell, 1, { ...row, synthetic: true }, "anonymous"),
      assertions.line({ assertion: null }, cell, 1, row, "01890000-0000-7000-8000-000000000101" as KeyId),
    ];
    assert.equal(new Set([first, second, ...others].map(String)).size, 6);
    clock.ms -= 120_000;
    assert.notEqual(assertions.line(kept, cell, 1, row, "anonymous"), second);
    const third = assertions.line(kept, cell, 1, row, "anonymous");
    keyNow = generateSigningKey();
    const rotated = assertions.line(kept, cell, 1, row, "anonymous");
    assert.notEqual(rotated, third);
    const { kid } = await verifyToken(tokenOf(rotated), {
      type: "cp-assertion",
      schema: Assertion,
      keys: () => keyNow.publicKey,
      audience: "cell-1",
    });
    assert.equal(kid, keyNow.kid);
    const { payload } = await verifyToken(tokenOf(first), {
      type: "cp-assertion",
      schema: Assertion,
      keys: () => key.publicKey,
      audience: "cell-1",
    });
    assert.deepEqual(payload, {
      iss: "router-1",
      aud: "cell-1",
      tenant,
      epoch: 1,
      principal: "anonymous",
      synthetic: false,
      iat: 1000,
      exp: 1060,
    });
  });
});
