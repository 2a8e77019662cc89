import type { Clock } from "../../common/clock.ts";
import { assertionLifeSeconds, type Assertion } from "../../common/contracts/assertion.ts";
import type { TenantRow } from "../../common/contracts/fleet.ts";
import type { CellId, KeyId, PartId, TenantId } from "../../common/ids.ts";
import type { SigningKey } from "../../common/keys.ts";
import { signTokenNow } from "../../common/tokens.ts";

/** Tenants and principals whose assertions are kept; about 600 bytes each. */
const maxKept = 50_000;
/** An assertion is signed anew when it has less than this left, so that a slow request does not outlive it. */
const renewBeforeSeconds = 20;

interface Kept {
  readonly token: string;
  readonly cell: CellId;
  readonly epoch: number;
  readonly tenant: TenantId;
  readonly synthetic: boolean;
  readonly usableUntil: number;
}

/**
 * Signed assertions, made once per tenant and principal and reused until near their end. One is kept for each: another cell or epoch, which
 * is rare, is signed anew.
 */
export class Assertions {
  readonly #router: PartId;
  readonly #key: SigningKey;
  readonly #clock: Clock;
  /** By the id of the key, which has one tenant, or else of the tenant: strings whose hash is known. */
  readonly #kept = new Map<KeyId | TenantId, Kept>();

  constructor(router: PartId, key: SigningKey, clock: Clock) {
    this.#router = router;
    this.#key = key;
    this.#clock = clock;
  }

  get size(): number {
    return this.#kept.size;
  }

  of(cell: CellId, epoch: number, tenant: TenantRow, principal: KeyId | "anonymous"): string {
    const nowSeconds = Math.floor(this.#clock.now() / 1000);
    const name = principal === "anonymous" ? tenant.id : principal;
    const kept = this.#kept.get(name);
    if (
      kept !== undefined &&
      kept.cell === cell &&
      kept.epoch === epoch &&
      kept.tenant === tenant.id &&
      kept.synthetic === tenant.synthetic &&
      nowSeconds < kept.usableUntil &&
      // A clock that was set back must not keep an assertion alive for ever.
      nowSeconds > kept.usableUntil - assertionLifeSeconds
    )
      return kept.token;
    const payload: Assertion = {
      iss: this.#router,
      aud: cell,
      tenant: tenant.id,
      epoch,
      principal,
      synthetic: tenant.synthetic,
      iat: nowSeconds,
      exp: nowSeconds + assertionLifeSeconds,
    };
    const token = signTokenNow("cp-assertion", payload, this.#key);
    const usableUntil = payload.exp - renewBeforeSeconds;
    this.#keep(name, { token, cell, epoch, tenant: tenant.id, synthetic: tenant.synthetic, usableUntil });
    return token;
  }

  #keep(name: KeyId | TenantId, made: Kept): void {
    // Deleted first, so that the map's order stays that of signing and the first entry is the oldest.
    this.#kept.delete(name);
    this.#kept.set(name, made);
    if (this.#kept.size <= maxKept) return;
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined) this.#kept.delete(oldest);
  }
}
