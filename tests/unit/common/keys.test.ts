import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { ensureSigningKey, generateSigningKey, keyIdOf, loadSigningKey, publicKeyFrom } from "../../../common/keys.ts";

const folder = mkdtempSync(join(tmpdir(), "cellplane-keys-"));
after(() => rmSync(folder, { recursive: true }));

test("a key is made once, for its owner's eyes only, and is the same ever after", () => {
  const path = join(folder, "deeper", "part.pem");
  const made = ensureSigningKey(path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(ensureSigningKey(path).kid, made.kid);
  assert.equal(loadSigningKey(path).spki, made.spki);
});

test("a damaged key file is an error, never quietly replaced by a new identity", () => {
  const path = join(folder, "damaged.pem");
  const damage = "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n";
  writeFileSync(path, damage);
  assert.throws(() => ensureSigningKey(path));
  assert.equal(readFileSync(path, "utf8"), damage);
});

test("a public key travels as SubjectPublicKeyInfo and keeps its id", () => {
  const key = generateSigningKey();
  assert.equal(keyIdOf(key.spki), key.kid);
  assert.match(key.kid, /^[0-9a-f]{16}$/);
  assert.ok(publicKeyFrom(key.spki).equals(key.publicKey));
});

test("only Ed25519 is taken for a public key", () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ format: "der", type: "spki" });
  assert.throws(() => publicKeyFrom(rsa.toString("base64")), { message: "only Ed25519 keys are used here" });
  assert.throws(() => publicKeyFrom("AAAA"));
  assert.throws(() => publicKeyFrom(""));
});
