import type { Clock } from "../../common/clock.ts";
import { assertionLifeSeconds, type Assertion } from "../../common/contracts/assertion.ts";
import type { CellId, KeyId, PartId, TenantId } from "../../common/ids.ts";
import type { SigningKey } from "../../common/keys.ts";
import { signToken } from "../../common/tokens.ts";

/** Tenants and principals whose assertions are kept; about 600 bytes each. */
const maxKept = 50_000;
/** An assertion is signed anew when it has less than this left, so that a slow request does not outlive it. */
const renewBeforeSeconds = 20;

interface Kept {
  readonly token: string | Promise<string>;
  readonly usableUntil: number;
}

export interface Claim {
  readonly cell: CellId;
  readonly tenant: TenantId;
  readonly epoch: number;
  readonly principal: KeyId | "anonymous";
  readonly synthetic: boolean;
}

/** Signed assertions, made once per tenant, epoch and principal and reused until near their end. */
export class Assertions {
  readonly #router: PartId;
  readonly #key: SigningKey;
  readonly #clock: Clock;
  readonly #kept = new Map<string, Kept>();

  constructor(router: PartId, key: SigningKey, clock: Clock) {
    this.#router = router;
    this.#key = key;
    this.#clock = clock;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** @returns the token at once when it is kept, else a promise of it. */
  of(claim: Claim): string | Promise<string> {
    const nowSeconds = Math.floor(this.#clock.now() / 1000);
    const name = `${claim.tenant} ${claim.epoch} ${claim.cell} ${claim.principal}`;
    const kept = this.#kept.get(name);
    // A clock that was set back must not keep an assertion alive for ever.
    if (kept !== undefined && nowSeconds < kept.usableUntil && nowSeconds > kept.usableUntil - assertionLifeSeconds)
      return kept.token;
    return this.#sign(name, claim, nowSeconds);
  }

  #sign(name: string, claim: Claim, nowSeconds: number): Promise<string> {
    const payload: Assertion = {
      iss: this.#router,
      aud: claim.cell,
      tenant: claim.tenant,
      epoch: claim.epoch,
      principal: claim.principal,
      synthetic: claim.synthetic,
      iat: nowSeconds,
      exp: nowSeconds + assertionLifeSeconds,
    };
    const usableUntil = payload.exp - renewBeforeSeconds;
    const signing = signToken("cp-assertion", payload, this.#key);
    // Deleted first, so that the map's order stays that of signing and the first entry is the oldest.
    this.#kept.delete(name);
    this.#kept.set(name, { token: signing, usableUntil });
    if (this.#kept.size > maxKept) {
      const [oldest] = this.#kept.keys();
      if (oldest !== undefined) this.#kept.delete(oldest);
    }
    return signing.then(
      (token) => {
        if (this.#kept.get(name)?.token === signing) this.#kept.set(name, { token, usableUntil });
        return token;
      },
      (error: unknown) => {
        this.#kept.delete(name);
        throw error;
      },
    );
  }
}
