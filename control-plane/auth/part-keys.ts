import type { KeyObject } from "node:crypto";
import { CommandToken } from "../../common/contracts/assertion.ts";
import type { Clock } from "../../common/clock.ts";
import { keyIdOf, publicKeyFrom } from "../../common/keys.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { TokenRefused, verifyToken } from "../../common/tokens.ts";
import { fail } from "../errors.ts";
import { listParts } from "../registry/parts.store.ts";

/** The registry is asked about an unknown key at most this often, so that strangers cannot keep it busy. */
const refreshEveryMs = 250;

/** The keys of all registered parts, as last read. */
export class PartKeys {
  readonly #pool: Pool;
  readonly #clock: Clock;
  #keys = new Map<string, { readonly part: string; readonly key: KeyObject }>();
  #readAt = Number.NEGATIVE_INFINITY;
  #isStale = true;

  constructor(pool: Pool, clock: Clock) {
    this.#pool = pool;
    this.#clock = clock;
  }

  /** Parts may have changed: they are read again before the next check. */
  invalidate(): void {
    this.#isStale = true;
  }

  /**
   * Checks that a registered part signed this command token for the control plane.
   * @throws credential-refused
   */
  async check(token: string): Promise<void> {
    if (this.#isStale) await this.#refresh();
    try {
      await this.#verify(token);
    } catch (error) {
      if (!(error instanceof TokenRefused)) throw error;
      if (error.reason !== "unknown-key" || !(await this.#refresh())) throw refused(error);
      await this.#verify(token).catch((again: unknown) => {
        throw again instanceof TokenRefused ? refused(again) : again;
      });
    }
  }

  async #verify(token: string): Promise<void> {
    const { payload, kid } = await verifyToken(token, {
      type: "cp-command",
      schema: CommandToken,
      keys: (id) => this.#keys.get(id)?.key,
      audience: "control-plane",
      nowSeconds: this.#clock.now() / 1000,
    });
    if (this.#keys.get(kid)?.part !== payload.iss)
      throw new TokenRefused("bad-signature", "signed by another part than it says");
  }

  /** @returns false where it was read only just now. */
  async #refresh(): Promise<boolean> {
    if (this.#clock.monotonic() - this.#readAt < refreshEveryMs) return false;
    this.#readAt = this.#clock.monotonic();
    this.#isStale = false;
    const parts = await listParts(this.#pool);
    const entries = parts.flatMap(({ id, keys }) =>
      keys.map((spki) => [keyIdOf(spki), { part: String(id), key: publicKeyFrom(spki) }] as const),
    );
    this.#keys = new Map(entries);
    return true;
  }
}

function refused(cause: TokenRefused) {
  return fail("credential-refused", `The command token is refused: ${cause.reason}.`, { cause });
}
