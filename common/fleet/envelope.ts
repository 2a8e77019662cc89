import { sign, verify } from "node:crypto";
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
  if (!Value.Check(Envelope, envelope)) throw new EnvelopeRefused("malformed", "not an envelope");
  if (envelope.payload.length > maxPayloadBytes)
    throw new EnvelopeRefused("oversized", `more than ${maxPayloadBytes} bytes`);
  const key = keys(envelope.kid);
  if (key === undefined)
    throw new EnvelopeRefused("unknown-key", `signed by ${envelope.kid.slice(0, 40)}, whom nobody trusts here`);
  if (!verify(null, Buffer.from(envelope.payload), key, Buffer.from(envelope.signature, "base64"))) {
    throw new EnvelopeRefused("bad-signature", "the signature does not fit");
  }
  const payload = parse(envelope.payload);
  if (!Value.Check(schema, payload)) throw new EnvelopeRefused("malformed", "the payload is not of the expected kind");
  return payload;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new EnvelopeRefused("malformed", "the payload is not JSON", { cause });
  }
}
