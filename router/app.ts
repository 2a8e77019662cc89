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
import { Visitor, type Visitors } from "./guard/visitors.ts";
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
  readonly visitors: Visitors;
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
    const { hostAt, authorizationAt } = head;
    const before = parts.visitors.find(fields, hostAt, authorizationAt);
    const known = before?.revision === parts.table.revision ? before : undefined;
    const guest = known === undefined ? parts.hosts.guestAt(fields, hostAt) : known.guest;
    exchange.expectBody(head);
    if (guest === undefined) throw nobodyAt(parts, head.hostField);
    const visitor = known ?? meet(parts, head, fields, guest);
    if (!visitor.active) checkState(visitor.tenant);
    checkRate(parts, visitor, exchange.startedAt);
    exchange.body.limit(visitor.bodyBytes);
    const mostInFlight = Math.min(visitor.mostInFlight, largestShare(parts.cellCap));
    if (!parts.tenantInFlight.enter(visitor.load, mostInFlight)) {
      throw fail("tenant-busy", `At most ${mostInFlight} requests of this tenant may be in flight.`);
    }
    const elsewhere = parts.elsewhere.of(head, fields, visitor);
    parts.spans.follow(exchange, visitor.tenant);
    carry(exchange, visitor, elsewhere, parts);
  };
}

/** Finds out who is asking, and remembers it. @throws CellplaneError invalid-key, table-stale */
function meet(parts: RouterParts, head: CheckedHead, fields: FieldBlock, guest: Guest): Visitor {
  const { hostAt, authorizationAt } = head;
  const caller = findCaller(parts, head, fields, guest);
  const owner = parts.owners.byDocument(guest.tenant) ?? null;
  const visitor = new Visitor(guest, caller, owner, parts.table.revision);
  const keyed = authorizationAt < 0 || parts.keys.remembers(fields, authorizationAt);
  if (keyed && parts.hosts.remembers(fields, hostAt)) parts.visitors.keep(fields, hostAt, authorizationAt, visitor);
  return visitor;
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

function checkRate(parts: RouterParts, { requestsPerSecond, bucket }: Visitor, now: number): void {
  const waitSeconds = parts.rates.take(bucket, requestsPerSecond, parts.table.routers, now);
  if (waitSeconds === 0) return;
  const extra = { retryAfterSeconds: Math.ceil(waitSeconds), requestsPerSecond };
  throw fail("rate-limited", `This tenant may send ${requestsPerSecond} requests a second.`, { extra });
}
