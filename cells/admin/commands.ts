import type { FastifyRequest } from "fastify";
import type { Clock } from "../../common/clock.ts";
import { CommandToken } from "../../common/contracts/assertion.ts";
import type { PartRole } from "../../common/contracts/fleet.ts";
import type { TrustStore } from "../../common/fleet/trust.ts";
import type { CellId } from "../../common/ids.ts";
import { TokenRefused, verifyToken } from "../../common/tokens.ts";
import type { ClockSkew } from "../kit/clock-skew.ts";
import { cellError } from "../kit/errors.ts";

export interface CommandOptions {
  readonly cell: CellId;
  readonly trust: TrustStore;
  readonly clock: Clock;
  readonly skew: ClockSkew;
}

/**
 * Proves that a call comes from a part of one of these roles: a command token for this cell, signed with that part's own key.
 * @throws command-token-refused
 */
export async function requireCommand(
  request: FastifyRequest,
  options: CommandOptions,
  roles: readonly PartRole[],
): Promise<CommandToken> {
  const { authorization } = request.headers;
  if (authorization === undefined || !authorization.startsWith("Bearer "))
    throw cellError("command-token-refused", "There is no bearer token.");
  try {
    const nowSeconds = Math.floor(options.clock.now() / 1000);
    const keys = options.trust.lookup(...roles);
    const expected = { type: "cp-command", schema: CommandToken, keys, audience: options.cell, nowSeconds } as const;
    const { payload, kid } = await verifyToken(authorization.slice("Bearer ".length), expected);
    if (options.trust.find(kid)?.part !== payload.iss)
      throw cellError("command-token-refused", "The token names another issuer than its key's owner.");
    options.skew.accepted();
    return payload;
  } catch (cause) {
    if (cause instanceof TokenRefused && cause.issuedAt !== undefined) options.skew.refused(cause.issuedAt);
    if (cause instanceof TokenRefused)
      throw cellError("command-token-refused", `The token is refused: ${cause.reason}.`, { cause });
    throw cause;
  }
}
