import type { Clock } from "../../common/clock.ts";
import { assertionLifeSeconds, type Assertion } from "../../common/contracts/assertion.ts";
import type { TenantRow } from "../../common/contracts/fleet.ts";
import type { CellId, KeyId, PartId, TenantId } from "../../common/ids.ts";
import type { SigningKey } from "../../common/keys.ts";
import { signToken } from "../../common/tokens.ts";

/** Tenants and principals whose assertions are kept; about 600 bytes each. */
const maxKept = 50_000;
/** An assertion is signed anew when it has less than this left, so that a slow request does not outlive it. */
const renewBeforeSeconds = 20;

interface Kept {
  readonly token: string | Promise<string>;
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

  /** @returns the token at once when it is kept, else a promise of it. */
  of(cell: CellId, epoch: number, tenant: TenantRow, principal: KeyId | "anonymous"): string | Promise<string> {
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
    return this.#sign(name, { cell, epoch, tenant, principal }, nowSeconds);
  }

  #sign(
    name: KeyId | TenantId,
    claim: { cell: CellId; epoch: number; tenant: TenantRow; principal: KeyId | "anonymous" },
    nowSeconds: number,
  ): Promise<string> {
    const { cell, epoch, tenant, principal } = claim;
    const { id, synthetic } = tenant;
    const payload: Assertion = {
      iss: this.#router,
      aud: cell,
      tenant: id,
      epoch,
      principal,
      synthetic,
      iat: nowSeconds,
      exp: nowSeconds + assertionLifeSeconds,
    };
    const usableUntil = payload.exp - renewBeforeSeconds;
    const signing = signToken("cp-assertion", payload, this.#key);
    const made = { cell, epoch, tenant: id, synthetic, usableUntil };
    // Deleted first, so that the map's order stays that of signing and the first entry is the oldest.
    this.#kept.delete(name);
    this.#kept.set(name, { ...made, token: signing });
    if (this.#kept.size > maxKept) {
      const [oldest] = this.#kept.keys();
      if (oldest !== undefined) this.#kept.delete(oldest);
    }
    return signing.then(
      (token) => {
        if (this.#kept.get(name)?.token === signing) this.#kept.set(name, { ...made, token });
        return token;
      },
      (error: unknown) => {
        if (this.#kept.get(name)?.token === signing) this.#kept.delete(name);
        throw error;
      },
    );
  }
}
