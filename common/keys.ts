import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** An Ed25519 key pair of a part, with its key id. */
export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** SubjectPublicKeyInfo, DER, base64: the form in which a public key stands in the fleet document. */
  readonly spki: string;
}

/** The key id: the first 16 hex digits of the SHA-256 of the public key's SubjectPublicKeyInfo. */
export function keyIdOf(spki: string): string {
  return createHash("sha256").update(Buffer.from(spki, "base64")).digest("hex").slice(0, 16);
}

/** @throws when the text is no SubjectPublicKeyInfo of an Ed25519 key. */
export function publicKeyFrom(spki: string): KeyObject {
  const key = createPublicKey({ key: Buffer.from(spki, "base64"), format: "der", type: "spki" });
  if (key.asymmetricKeyType !== "ed25519") throw new TypeError("only Ed25519 keys are used here");
  return key;
}

function signingKey(privateKey: KeyObject): SigningKey {
  const publicKey = createPublicKey(privateKey);
  const spki = publicKey.export({ format: "der", type: "spki" }).toString("base64");
  return { kid: keyIdOf(spki), privateKey, publicKey, spki };
}

/** Makes a new key pair. */
export function generateSigningKey(): SigningKey {
  return signingKey(generateKeyPairSync("ed25519").privateKey);
}

/** Reads a private key in PEM (PKCS #8). */
export function loadSigningKey(path: string): SigningKey {
  return signingKey(createPrivateKey(readFileSync(path)));
}

/** Reads the key at `path`, making it first (mode 0600, written whole or not at all) where there is none. */
export function ensureSigningKey(path: string): SigningKey {
  try {
    return loadSigningKey(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const made = generateSigningKey();
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, made.privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 });
  renameSync(draft, path);
  return made;
}
