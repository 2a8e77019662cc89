import { createHmac, randomBytes } from "node:crypto";

const prefix = "whsec_";
/** Standard Webhooks asks for 24 to 64 bytes. */
const secretBytes = 32;

/** A new secret of an endpoint, in the form in which receivers' libraries take it. */
export function newSecret(): string {
  return `${prefix}${randomBytes(secretBytes).toString("base64")}`;
}

/**
 * The headers that prove a message: HMAC-SHA256 over id, timestamp and body, joined by full stops, as Standard Webhooks 1.0.0 has it ("Symmetric signatures").
 * @param atMs milliseconds since 1970; receivers refuse what is minutes old, so that each try has its own.
 */
export function signedHeaders(
  secret: string,
  message: { readonly id: string; readonly body: string },
  atMs: number,
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(atMs / 1_000));
  const key = Buffer.from(secret.slice(prefix.length), "base64");
  const signature = createHmac("sha256", key).update(`${message.id}.${timestamp}.${message.body}`).digest("base64");
  return { "webhook-id": message.id, "webhook-timestamp": timestamp, "webhook-signature": `v1,${signature}` };
}
