import type { TenantRow } from "../common/contracts/fleet.ts";
import type { CellplaneError } from "../common/errors.ts";
import { fail } from "./errors.ts";
import { checkHead, type CheckedHead } from "./guard/head.ts";
import type { Guest, Hosts } from "./guard/hosts.ts";
import type { Caller } from "./guard/caller.ts";
import { isKeyOf, type Keys } from "./guard/key.ts";
import type { TrustedPeers } from "./guard/peers.ts";
import type { RateLimits } from "./guard/rate.ts";
import type { Carriage } from "./proxy/carriage.ts";
import { carry } from "./proxy/carry.ts";
import type { ElsewhereChoice } from "./proxy/elsewhere.ts";
import type { Exchange } from "./proxy/exchange.ts";
import type { Spans } from "./proxy/spans.ts";
import type { FieldBlock } from "./wire/field-block.ts";
import type { RequestParser } from "./wire/request-parser.ts";

export interface RouterParts extends Carriage {
  readonly rates: RateLimits;
  readonly hosts: Hosts;
  readonly peers: TrustedPeers;
  readonly keys: Keys;
  readonly spans: Spans;
  readonly elsewhere: ElsewhereChoice;
  /** Whether the table is too old for a definite "unknown". */
  readonly stale: () => boolean;
}

/**
 * The path of a tenant's request (docs/architecture.md): every refusal is thrown as a CellplaneError and answered at the edge.
 * Nothing waits here: where a connection to the cell stands idle, the request is on its way when this returns.
 */
export function createApp(parts: RouterParts): (exchange: Exchange, parsed: RequestParser) => void {
  return (exchange, parsed) => {
    const head = checkHead(parsed);
    const { fields } = parsed;
    const guest = parts.hosts.guestAt(fields, head.hostAt);
    exchange.expectBody(head);
    if (guest === undefined) throw nobodyAt(parts, head.hostField);
    const { tenant } = guest;
    const caller = findCaller(parts, head, fields, guest);
    checkState(tenant);
    checkRate(parts, guest, exchange.startedAt);
    exchange.body.limit(tenant.limits.bodyBytes);
    const mostInFlight = Math.min(tenant.limits.inFlight, largestShare(parts.cellCap));
    if (!parts.tenantInFlight.enter(guest.load, mostInFlight)) {
      throw fail("tenant-busy", `At most ${mostInFlight} requests of this tenant may be in flight.`);
    }
    const elsewhere = parts.elsewhere.of(head, fields, guest, caller);
    parts.spans.follow(exchange, tenant);
    carry(exchange, { tenant, guest, caller, elsewhere }, parts);
  };
}

/** Of what a cell may have in flight one tenant takes half at most, whatever its limit says: the cap is there for all of them. */
function largestShare(cellCap: number): number {
  return Math.max(1, Math.ceil(cellCap / 2));
}

function nobodyAt(parts: RouterParts, host: string): CellplaneError {
  if (parts.stale()) return fail("table-stale", `${host} is not known here.`, { extra: { retryAfterSeconds: 5 } });
  return fail("unknown-tenant", `No tenant answers at ${host}.`);
}

/** Who is asking: the owner of the API key, or nobody in particular; whether that suffices is for the cell's route to say. */
function findCaller(parts: RouterParts, head: CheckedHead, fields: FieldBlock, guest: Guest): Caller {
  const bearer = parts.keys.bearerAt(fields, head.authorizationAt);
  if (bearer.kind === "none") return { principal: "anonymous", kept: guest };
  if (bearer.kind === "key" && isKeyOf(bearer.key, guest.tenant))
    return { principal: bearer.key.row.id, kept: bearer.key };
  if (bearer.kind === "unknown" && parts.stale()) {
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

function checkRate(parts: RouterParts, { tenant, bucket }: Guest, now: number): void {
  const { requestsPerSecond } = tenant.limits;
  const waitSeconds = parts.rates.take(bucket, requestsPerSecond, parts.table.routers, now);
  if (waitSeconds === 0) return;
  const extra = { retryAfterSeconds: Math.ceil(waitSeconds), requestsPerSecond };
  throw fail("rate-limited", `This tenant may send ${requestsPerSecond} requests a second.`, { extra });
}
