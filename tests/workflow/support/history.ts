import { gunzipSync, gzipSync } from "node:zlib";
import type { History } from "@temporalio/worker";

// Temporal's own JSON form of histories needs reflection that the SDK's protobuf package does not bring here; this one keeps the
// message's fields as they are, with bytes as base64.

/** A history as compressed JSON. */
export function packHistory(history: History): Uint8Array {
  return gzipSync(JSON.stringify(plain(history)), { level: 9 });
}

/** The history that `packHistory` packed. */
export function unpackHistory(packed: Uint8Array): History {
  return JSON.parse(gunzipSync(packed).toString("utf8"), (_, value: unknown) =>
    isBytes(value) ? Buffer.from(value.$bytes, "base64") : value,
  ) as History;
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== null && member !== undefined);
  return Object.fromEntries(members.map(([name, member]) => [name, plain(member)]));
}

function isBytes(value: unknown): value is { readonly $bytes: string } {
  return typeof value === "object" && value !== null && "$bytes" in value && typeof value.$bytes === "string";
}
