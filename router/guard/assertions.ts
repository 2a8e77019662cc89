import type { Clock } from "../../common/clock.ts";
import { assertionLifeSeconds, type Assertion } from "../../common/contracts/assertion.ts";
import type { TenantRow } from "../../common/contracts/fleet.ts";
import { internalHeaders } from "../../common/contracts/headers.ts";
import type { CellId, KeyId, PartId } from "../../common/ids.ts";
import type { SigningKey } from "../../common/keys.ts";
import { signTokenNow } from "../../common/tokens.ts";
import type { Owner } from "../table/owners.ts";
import type { Gather } from "../wire/gather.ts";
import type { Kept, Signed } from "./kept.ts";
import type { Visitor } from "./visitors.ts";

/** An assertion is signed anew when it has less than this left, so that a slow request does not outlive it. */
const renewBeforeSeconds = 20;

/**
 * Signed assertions, made once per tenant and principal and reused until near their end. One is kept for each: another cell or epoch, which
 * is rare, is signed anew.
 */
export class Assertions {
  readonly #router: PartId;
  readonly #keyNow: () => SigningKey;
  readonly #clock: Clock;

  /** @param keyNow the router's own key, which may be another from one request to the next. */
  constructor(router: PartId, keyNow: () => SigningKey, clock: Clock) {
    this.#router = router;
    this.#keyNow = keyNow;
    this.#clock = clock;
  }

  /**
   * Puts the line of a visitor's assertion behind what has gathered.
   * @param owner the cell that is asked, @param elsewhere what the assertion is kept on where that cell does not own the tenant.
   */
  put(visitor: Visitor, owner: Owner, elsewhere: Kept | null, out: Gather): void {
    const { tenant, caller, principal } = visitor;
    if (elsewhere !== null || owner !== visitor.owner)
      return out.all(this.line(elsewhere ?? caller.kept, owner.cell, owner.epoch, tenant, principal));
    const nowSeconds = Math.floor(this.#clock.now() / 1000);
    const { usableUntil } = visitor;
    const usable = nowSeconds < usableUntil && nowSeconds > usableUntil - assertionLifeSeconds;
    if (!usable || visitor.signedWith !== this.#keyNow()) {
      const signed = this.#signed(caller.kept, owner.cell, owner.epoch, tenant, principal);
      visitor.sign(signed.line, signed.key, signed.usableUntil);
    }
    out.run(visitor.line, visitor.lineFrom, visitor.lineTo);
  }

  /** @returns the field line. @param kept of that very principal. */
  line(kept: Kept, cell: CellId, epoch: number, tenant: TenantRow, principal: KeyId | "anonymous"): Buffer {
    return this.#signed(kept, cell, epoch, tenant, principal).line;
  }

  #signed(kept: Kept, cell: CellId, epoch: number, tenant: TenantRow, principal: KeyId | "anonymous"): Signed {
    const nowSeconds = Math.floor(this.#clock.now() / 1000);
    const signed = kept.assertion;
    const key = this.#keyNow();
    if (
      signed !== null &&
      signed.key === key &&
      signed.cell === cell &&
      signed.epoch === epoch &&
      signed.tenant === tenant.id &&
      signed.principal === principal &&
      signed.synthetic === tenant.synthetic &&
      nowSeconds < signed.usableUntil &&
      // A clock that was set back must not keep an assertion alive for ever.
      nowSeconds > signed.usableUntil - assertionLifeSeconds
    )
      return signed;
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
    const line = Buffer.from(
      `${internalHeaders.assertion}: ${signTokenNow("cp-assertion", payload, key)}\r\n`,
      "latin1",
    );
    const usableUntil = payload.exp - renewBeforeSeconds;
    const { id, synthetic } = tenant;
    const made = { line, key, cell, epoch, tenant: id, principal, synthetic, usableUntil };
    kept.assertion = made;
    return made;
  }
}
