import type { TenantRow } from "../common/contracts/fleet.ts";
import type { KeyId } from "../common/ids.ts";
import { fail } from "./errors.ts";
import { headToCell } from "./guard/fields.ts";
import { checkHead, type CheckedHead } from "./guard/head.ts";
import { looksLikeKey, type KeyDigests } from "./guard/key.ts";
import type { TrustedPeers } from "./guard/peers.ts";
import type { RateLimits } from "./guard/rate.ts";
import { traceOf } from "./guard/trace.ts";
import type { Carriage } from "./proxy/carriage.ts";
import { carry } from "./proxy/carry.ts";
import type { Exchange } from "./proxy/exchange.ts";

export interface RouterParts extends Carriage {
  readonly rates: RateLimits;
  readonly peers: TrustedPeers;
  readonly keyDigests: KeyDigests;
  /** Whether the table is too old for a definite "unknown". */
  readonly stale: () => boolean;
}

/**
 * The path of a tenant's request (docs/architecture.md): every refusal is thrown as a CellplaneError and answered at the edge.
 * Nothing waits here: where a connection to the cell stands idle, the request is on its way when this returns.
 */
export function createApp(parts: RouterParts): (exchange: Exchange) => void {
  return (exchange) => {
    const head = checkHead(exchange.parsed);
    exchange.expectBody(head);
    const tenant = findTenant(parts, head.host);
    const principal = findPrincipal(parts, head, tenant);
    checkState(tenant);
    checkRate(parts, tenant);
    exchange.body.limit(tenant.limits.bodyBytes);
    const mostInFlight = Math.min(tenant.limits.inFlight, largestShare(parts.cellCap));
    if (!parts.tenantInFlight.enter(tenant.id, mostInFlight)) {
      throw fail("tenant-busy", `At most ${mostInFlight} requests of this tenant may be in flight.`);
    }
    carry(exchange, { tenant, principal, head: headFor(parts, exchange, head, principal) }, parts);
  };
}

/** Of what a cell may have in flight one tenant takes half at most, whatever its limit says: the cap is there for all of them. */
function largestShare(cellCap: number): number {
  return Math.max(1, Math.ceil(cellCap / 2));
}

function findTenant(parts: RouterParts, host: string): TenantRow {
  const tenant = parts.table.tenantAt(host);
  if (tenant !== undefined) return tenant;
  if (parts.stale()) throw fail("table-stale", `${host} is not known here.`, { extra: { retryAfterSeconds: 5 } });
  throw fail("unknown-tenant", `No tenant answers at ${host}.`);
}

/** Who is asking: the id of the API key, or nobody in particular; whether that suffices is for the cell's route to say. */
function findPrincipal(parts: RouterParts, head: CheckedHead, tenant: TenantRow): KeyId | "anonymous" {
  const { authorization } = head;
  if (authorization === undefined || !looksLikeKey(authorization)) return "anonymous";
  const digest = parts.keyDigests.of(authorization);
  const key = digest === null ? undefined : parts.table.keyOf(digest);
  if (key !== undefined && digest !== null && key.tenant === tenant.id) {
    parts.keyDigests.remember(authorization, digest);
    return key.id;
  }
  if (key === undefined && digest !== null && parts.stale()) {
    throw fail("table-stale", "The key is not known here.", { extra: { retryAfterSeconds: 5 } });
  }
  // One detail for a malformed, unknown, revoked and foreign key: which of these it is helps only a thief.
  throw fail("invalid-key", "The key is none of this tenant's.");
}

function checkState(tenant: TenantRow): void {
  switch (tenant.state) {
    case "active":
      return;
    case "suspended":
      throw fail("tenant-suspended", tenant.reason ?? "No reason was given.");
    case "provisioning":
      throw fail("tenant-provisioning", "The tenant's cell has not taken it over yet.", {
        extra: { retryAfterSeconds: 1 },
      });
    default:
      tenant.state satisfies never;
  }
}

function checkRate(parts: RouterParts, tenant: TenantRow): void {
  const { requestsPerSecond } = tenant.limits;
  const waitSeconds = parts.rates.take(tenant.id, requestsPerSecond, parts.table.routers);
  if (waitSeconds === 0) return;
  const extra = { retryAfterSeconds: Math.ceil(waitSeconds), requestsPerSecond };
  throw fail("rate-limited", `This tenant may send ${requestsPerSecond} requests a second.`, { extra });
}

function headFor(parts: RouterParts, exchange: Exchange, head: CheckedHead, principal: KeyId | "anonymous"): string {
  const { connection, parsed, id } = exchange;
  const trace = traceOf(head.traceparent);
  return headToCell({
    head,
    fields: parsed.fields,
    stripAuthorization: principal !== "anonymous",
    requestId: id,
    traceparent: trace.traceparent,
    traceContinued: trace.continued,
    peer: connection.peer,
    peerTrusted: connection.peerTrusted,
  });
}
