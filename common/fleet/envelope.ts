import { sign, verify, type KeyObject } from "node:crypto";
import type { Static, TSchema } from "typebox";
import Value from "typebox/value";
import { canonicalJson } from "../canonical.ts";
import { Envelope } from "../contracts/fleet.ts";
import type { SigningKey } from "../keys.ts";
import type { KeyLookup } from "../tokens.ts";

/** Largest envelope that is looked at, in bytes of its payload: a million tenants with a key each take about 600 MB. */
export const maxPayloadBytes = 1_000_000_000;

/** Why a snapshot or delta was refused. */
export class EnvelopeRefused extends Error {
  override readonly name = "EnvelopeRefused";
  readonly reason: "malformed" | "oversized" | "unknown-key" | "bad-signature" | "wrong-hash" | "older";
  constructor(reason: EnvelopeRefused["reason"], detail: string, options?: { cause?: unknown }) {
    super(detail, options);
    this.reason = reason;
  }
}

/** Signs bytes that were made canonical before, once, in the transaction of the change. */
export function sealPayload(payload: string, key: SigningKey): Envelope {
  return { payload, kid: key.kid, signature: sign(null, Buffer.from(payload), key.privateKey).toString("base64") };
}

/** Signs a snapshot or delta. */
export function sealEnvelope(value: unknown, key: SigningKey): Envelope {
  return sealPayload(canonicalJson(value), key);
}

/**
 * Checks an envelope: its shape, size, key and signature, then its payload's schema.
 * @throws EnvelopeRefused
 */
export function openEnvelope<Schema extends TSchema>(
  envelope: unknown,
  schema: Schema,
  keys: KeyLookup,
): Static<Schema> {
  const { payload, key, signature } = signerOf(envelope, keys);
  if (!verify(null, Buffer.from(payload), key, signature)) throw new EnvelopeRefused("bad-signature", notFitting);
  const value = parse(payload);
  if (!Value.Check(schema, value)) throw new EnvelopeRefused("malformed", "the payload is not of the expected kind");
  return value;
}

/**
 * Checks an envelope's shape, size, key and signature; of a large one without holding the process up.
 * @returns its payload, of which nothing is known but who signed it. @throws EnvelopeRefused
 */
export async function verifyEnvelope(envelope: unknown, keys: KeyLookup): Promise<string> {
  const { payload, key, signature } = signerOf(envelope, keys);
  const fits = await new Promise<boolean>((resolve, reject) => {
    verify(null, Buffer.from(payload), key, signature, (error, result) =>
      error === null ? resolve(result) : reject(error),
    );
  });
  if (!fits) throw new EnvelopeRefused("bad-signature", notFitting);
  return payload;
}

const notFitting = "the signature does not fit";

function signerOf(
  envelope: unknown,
  keys: KeyLookup,
): { readonly payload: string; readonly key: KeyObject; readonly signature: Buffer } {
  if (!Value.Check(Envelope, envelope)) throw new EnvelopeRefused("malformed", "not an envelope");
  if (envelope.payload.length > maxPayloadBytes)
    throw new EnvelopeRefused("oversized", `more than ${maxPayloadBytes} bytes`);
  const key = keys(envelope.kid);
  if (key === undefined)
    throw new EnvelopeRefused("unknown-key", `signed by ${envelope.kid.slice(0, 40)}, whom nobody trusts here`);
  return { payload: envelope.payload, key, signature: Buffer.from(envelope.signature, "base64") };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new EnvelopeRefused("malformed", "the payload is not JSON", { cause });
  }
}
