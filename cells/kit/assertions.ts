import { Assertion, assertionLifeSeconds } from "../../common/contracts/assertion.ts";
import type { Clock } from "../../common/clock.ts";
import type { TrustStore } from "../../common/fleet/trust.ts";
import type { CellId, TenantId } from "../../common/ids.ts";
import { TokenRefused, clockToleranceSeconds, verifyToken } from "../../common/tokens.ts";
import type { ClockSkew } from "./clock-skew.ts";
import { cellError } from "./errors.ts";

/** Each router signs one token per (tenant, principal) and minute; this many distinct ones are remembered as verified. */
const rememberedTokens = 5_000;

interface Verified {
  readonly assertion: Assertion;
  readonly kid: string;
}

/**
 * Verifies routers' assertions and remembers the verified ones until they expire or their key is no longer trusted. The workflow worker
 * may sign too, but for synthetic tenants only: that is how a release is tried out before it is live.
 */
export class AssertionVerifier {
  readonly #cell: CellId;
  readonly #trust: TrustStore;
  readonly #clock: Clock;
  readonly #isSynthetic: (tenant: TenantId) => boolean;
  readonly #skew: ClockSkew;
  readonly #verified = new Map<string, Verified>();

  /** @param isSynthetic whether the fleet document says so of a tenant: the worker's own word is not enough. */
  constructor(
    cell: CellId,
    trust: TrustStore,
    isSynthetic: (tenant: TenantId) => boolean,
    clock: Clock,
    skew: ClockSkew,
  ) {
    this.#skew = skew;
    this.#cell = cell;
    this.#trust = trust;
    this.#isSynthetic = isSynthetic;
    this.#clock = clock;
  }

  /** @throws assertion-refused; clock-skew where the cell refuses them all for their time */
  async verify(token: string | string[] | undefined): Promise<Assertion> {
    if (typeof token !== "string" || token === "") throw cellError("assertion-refused", "There is no assertion.");
    const now = Math.floor(this.#clock.now() / 1000);
    const known = this.#verified.get(token);
    if (known !== undefined && known.assertion.exp + clockToleranceSeconds > now && this.#mayAssert(known)) {
      this.#skew.accepted();
      return known.assertion;
    }
    this.#verified.delete(token);
    const verified = await this.#check(token, now);
    this.#skew.accepted();
    this.#remember(token, verified);
    return verified.assertion;
  }

  async #check(token: string, nowSeconds: number): Promise<Verified> {
    try {
      const keys = this.#trust.lookup("router", "worker");
      const { payload, kid } = await verifyToken(token, {
        type: "cp-assertion",
        schema: Assertion,
        keys,
        audience: this.#cell,
        nowSeconds,
      });
      const verified = { assertion: payload, kid };
      if (payload.exp - payload.iat > assertionLifeSeconds)
        throw cellError("assertion-refused", "The assertion claims to live too long.");
      if (!this.#mayAssert(verified)) throw cellError("assertion-refused", "The signer may not speak for that tenant.");
      return verified;
    } catch (cause) {
      if (cause instanceof TokenRefused && cause.issuedAt !== undefined) {
        this.#skew.refused(cause.issuedAt);
        if (this.#skew.skewed)
          throw cellError("clock-skew", this.#skew.problems().join(), { cause, extra: { retryAfterSeconds: 5 } });
      }
      if (cause instanceof TokenRefused)
        throw cellError("assertion-refused", `The assertion is refused: ${cause.reason}.`, { cause });
      throw cause;
    }
  }

  #mayAssert({ assertion, kid }: Verified): boolean {
    const signer = this.#trust.find(kid);
    if (signer === undefined || signer.part !== assertion.iss) return false;
    return (
      signer.role === "router" ||
      (signer.role === "worker" && assertion.synthetic && this.#isSynthetic(assertion.tenant))
    );
  }

  #remember(token: string, verified: Verified): void {
    if (this.#verified.size >= rememberedTokens) {
      const oldest = this.#verified.keys().next();
      if (oldest.done !== true) this.#verified.delete(oldest.value);
    }
    this.#verified.set(token, verified);
  }
}
