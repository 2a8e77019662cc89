import type { TenantRow } from "../common/contracts/fleet.ts";
import type { KeyId, TenantId } from "../common/ids.ts";
import { fail } from "./errors.ts";
import { fieldsToCell } from "./guard/fields.ts";
import { checkHead, type CheckedHead } from "./guard/head.ts";
import type { InFlight } from "./guard/in-flight.ts";
import { keyDigestOf, looksLikeKey } from "./guard/key.ts";
import type { TrustedPeers } from "./guard/peers.ts";
import type { RateLimits } from "./guard/rate.ts";
import { onlyField, traceOf } from "./guard/trace.ts";
import { carry, type Carriage } from "./proxy/carry.ts";
import type { Exchange } from "./proxy/exchange.ts";

export interface RouterParts extends Carriage {
  readonly rates: RateLimits;
  readonly tenantInFlight: InFlight<TenantId>;
  readonly peers: TrustedPeers;
  /** Whether the table is too old for a definite "unknown". */
  readonly stale: () => boolean;
}

/**
 * The path of a tenant's request (docs/architecture.md): every refusal is thrown as a CellplaneError and answered at the edge.
 * Up to `carry` nothing waits, so that a refusal costs next to nothing.
 */
export function createApp(parts: RouterParts): (exchange: Exchange) => Promise<void> {
  return async (exchange) => {
    const head = checkHead(exchange.head);
    exchange.expectBody(head);
    const tenant = findTenant(parts, head.host);
    const principal = findPrincipal(parts, head, tenant);
    checkState(tenant);
    checkRate(parts, tenant);
    checkLength(exchange, head, tenant);
    const mostInFlight = Math.min(tenant.limits.inFlight, largestShare(parts.cellCap));
    if (!parts.tenantInFlight.enter(tenant.id, mostInFlight)) {
      throw fail("tenant-busy", `At most ${mostInFlight} requests of this tenant may be in flight.`);
    }
    try {
      const fields = fieldsFor(parts, exchange, head, principal);
      await carry(exchange, { head, tenant, principal, fields }, parts);
    } catch (error) {
      countFailure(parts, exchange, tenant, error);
      throw error;
    } finally {
      parts.tenantInFlight.leave(tenant.id);
    }
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
  if (!looksLikeKey(head.authorization)) return "anonymous";
  const digest = keyDigestOf(head.authorization);
  const key = digest === null ? undefined : parts.table.keyOf(digest);
  if (key?.tenant === tenant.id) return key.id;
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

function checkLength(exchange: Exchange, head: CheckedHead, tenant: TenantRow): void {
  const { bodyBytes } = tenant.limits;
  const tooLarge = () => fail("body-too-large", `At most ${bodyBytes} bytes are taken.`);
  if (head.contentLength !== null && head.contentLength > bodyBytes) throw tooLarge();
  exchange.body.limit(bodyBytes, () => exchange.breakOff(tooLarge(), false));
}

function fieldsFor(
  parts: RouterParts,
  exchange: Exchange,
  head: CheckedHead,
  principal: KeyId | "anonymous",
): string[] {
  const { fields, peer, secure } = exchange.head;
  const trace = traceOf(onlyField(fields, "traceparent"));
  return fieldsToCell({
    fields,
    host: head.hostField,
    contentLength: head.contentLength,
    chunked: head.chunked,
    websocket: head.websocket,
    stripAuthorization: principal !== "anonymous",
    requestId: exchange.id,
    traceparent: trace.traceparent,
    traceContinued: trace.continued,
    peer,
    peerTrusted: parts.peers.has(peer),
    secure,
  });
}

/** A request that its cell did not answer counts against the cell, under no release; what the client did wrong does not. */
function countFailure(parts: RouterParts, exchange: Exchange, tenant: TenantRow, error: unknown): void {
  const status = (error as { status?: number }).status ?? 500;
  if (status < 500) return;
  const cell = parts.owners.ownerOf(tenant)?.cell ?? tenant.cell;
  parts.samples.count(cell, null, tenant.synthetic, status, parts.clock.monotonic() - exchange.startedAt);
}
