import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync } from "node:crypto";
import test, { describe } from "node:test";
import { CompactSign } from "jose";
import { Assertion, CommandToken } from "../../../common/contracts/assertion.ts";
import { commandTokens } from "../../../common/command-tokens.ts";
import { generateSigningKey } from "../../../common/keys.ts";
import { clockToleranceSeconds, signToken, signTokenNow, TokenRefused, verifyToken } from "../../../common/tokens.ts";

const now = 1_800_000_000;
const key = generateSigningKey();
const stranger = generateSigningKey();
const keys = (kid: string) => (kid === key.kid ? key.publicKey : undefined);
const claims = { iss: "control-plane", aud: "cell-1", iat: now, exp: now + 60 };
const expected = { type: "cp-command", schema: CommandToken, keys, audience: "cell-1", nowSeconds: now } as const;

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A compact JWS whose header, payload and signature are whatever an attacker likes. */
function forged(header: object, payload: object, sign: (input: string) => string): string {
  const input = `${base64url(header)}.${base64url(payload)}`;
  return `${input}.${sign(input)}`;
}

async function refusedFor(reason: TokenRefused["reason"], token: string, expectation = expected): Promise<void> {
  await assert.rejects(verifyToken(token, expectation), (error: unknown) => {
    assert.ok(error instanceof TokenRefused, String(error));
    assert.equal(error.reason, reason);
    assert.ok(token.length < 20 || !error.message.includes(token), "the message never holds the token");
    return true;
  });
}

test("a token that fits is accepted, and says who signed it", async () => {
  const verified = await verifyToken(await signToken("cp-command", claims, key), expected);
  assert.deepEqual(verified, { payload: claims, kid: key.kid });
});

test("a token made at once is the same, byte for byte", async () => {
  const payload = { iss: "router-1", aud: "cell-1", epoch: 3, iat: 1, exp: 61 };
  assert.equal(signTokenNow("cp-assertion", payload, key), await signToken("cp-assertion", payload, key));
});

describe("a forged token is refused", () => {
  test("alg none, with and without the signature's dot", async () => {
    const header = { alg: "none", typ: "cp-command", kid: key.kid };
    await refusedFor(
      "malformed",
      forged(header, claims, () => ""),
    );
    await refusedFor("malformed", `${base64url(header)}.${base64url(claims)}`);
    for (const alg of ["None", "NONE", "nOnE"])
      await refusedFor(
        "malformed",
        forged({ ...header, alg }, claims, () => ""),
      );
  });

  test("the public key used as the secret of an HMAC", async () => {
    const header = { alg: "HS256", typ: "cp-command", kid: key.kid };
    for (const secret of [
      key.spki,
      key.publicKey.export({ format: "pem", type: "spki" }),
      Buffer.from(key.spki, "base64"),
    ]) {
      await refusedFor(
        "malformed",
        forged(header, claims, (input) => createHmac("sha256", secret).update(input).digest("base64url")),
      );
    }
  });

  test("another algorithm under a trusted key's id", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const token = await new CompactSign(Buffer.from(JSON.stringify(claims)))
      .setProtectedHeader({ alg: "ES256", typ: "cp-command", kid: key.kid })
      .sign(privateKey);
    await refusedFor("malformed", token);
  });

  test("a stranger's key under a trusted key's id", async () => {
    await refusedFor("bad-signature", await signToken("cp-command", claims, { ...stranger, kid: key.kid }));
  });

  test("a key that the token brings along itself", async () => {
    const jwk = stranger.publicKey.export({ format: "jwk" });
    const token = await new CompactSign(Buffer.from(JSON.stringify(claims)))
      .setProtectedHeader({ alg: "EdDSA", typ: "cp-command", kid: key.kid, jwk })
      .sign(stranger.privateKey);
    await refusedFor("bad-signature", token);
  });

  test("a payload exchanged under an honest signature", async () => {
    const [header, , signature] = (await signToken("cp-command", claims, key)).split(".");
    await refusedFor(
      "bad-signature",
      `${header}.${base64url({ ...claims, aud: "cell-1", actor: "admin" })}.${signature}`,
    );
  });

  test("a critical header that nobody here understands", async () => {
    const header = { alg: "EdDSA", typ: "cp-command", kid: key.kid, crit: ["https://example.test/be-lenient"] };
    const lenient = { ...header, "https://example.test/be-lenient": true };
    await refusedFor(
      "malformed",
      forged(lenient, claims, () => "AAAA"),
    );
  });

  for (const text of ["", "a", "a.b", "a.b.c", "a.b.c.d", "....", "null", `${"A".repeat(10_000)}.B.C`]) {
    test(`${JSON.stringify(text.slice(0, 12))} is no token`, async () => {
      await refusedFor("malformed", text);
    });
  }
});

describe("an honest token is refused elsewhere", () => {
  test("signed with a key that is not trusted", async () => {
    await refusedFor("unknown-key", await signToken("cp-command", claims, stranger));
  });

  test("of another type, whatever its payload", async () => {
    for (const type of ["cp-session", "cp-shipment", "cp-assertion"] as const) {
      await refusedFor("malformed", await signToken(type, claims, key));
    }
  });

  test("with a payload that its schema does not know", async () => {
    await refusedFor("malformed", await signToken("cp-command", { ...claims, admin: true }, key));
    await refusedFor("malformed", await signToken("cp-command", { ...claims, exp: String(claims.exp) }, key));
    const { exp: _exp, ...endless } = claims;
    await refusedFor("malformed", await signToken("cp-command", endless, key));
  });

  test("for another audience, or where none is expected", async () => {
    const token = await signToken("cp-command", { ...claims, aud: "cell-2" }, key);
    await refusedFor("wrong-audience", token);
    const { audience: _audience, ...anybody } = expected;
    await assert.rejects(verifyToken(await signToken("cp-command", claims, key), anybody), {
      reason: "wrong-audience",
    });
  });

  test("after its end, but for the tolerance between two clocks", async () => {
    const token = await signToken("cp-command", claims, key);
    await verifyToken(token, { ...expected, nowSeconds: claims.exp + clockToleranceSeconds - 1 });
    await assert.rejects(verifyToken(token, { ...expected, nowSeconds: claims.exp + clockToleranceSeconds }), {
      reason: "expired",
    });
  });

  test("before its beginning, but for the same tolerance", async () => {
    const token = await signToken("cp-command", claims, key);
    await verifyToken(token, { ...expected, nowSeconds: now - clockToleranceSeconds });
    await assert.rejects(verifyToken(token, { ...expected, nowSeconds: now - clockToleranceSeconds - 1 }), {
      reason: "not-yet-valid",
    });
  });
});

test("a router's assertion does not pass for a command, nor a command for an assertion", async () => {
  const assertion = {
    iss: "router-1",
    aud: "cell-1",
    tenant: "0198c0de-0000-7000-8000-000000000000",
    epoch: 1,
    principal: "anonymous",
    synthetic: false,
    iat: now,
    exp: now + 60,
  };
  const token = await signToken("cp-assertion", assertion, key);
  const asAssertion = { ...expected, type: "cp-assertion", schema: Assertion } as const;
  assert.equal((await verifyToken(token, asAssertion)).payload.epoch, 1);
  await assert.rejects(verifyToken(token, expected), { reason: "malformed" });
  await assert.rejects(verifyToken(await signToken("cp-command", claims, key), asAssertion), { reason: "malformed" });
});

test("a command token is signed once per audience and renewed before its end", async () => {
  let ms = now * 1000;
  const tokenFor = commandTokens("control-plane", key, { now: () => ms, monotonic: () => ms });
  const first = await tokenFor("cell-1");
  assert.equal(await tokenFor("cell-1"), first);
  assert.notEqual(await tokenFor("cell-2"), first);
  ms += 44_000;
  assert.equal(await tokenFor("cell-1"), first);
  ms += 2_000;
  const renewed = await tokenFor("cell-1");
  assert.notEqual(renewed, first);
  await verifyToken(renewed, { ...expected, nowSeconds: ms / 1000 });
});
