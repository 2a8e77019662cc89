import type { FastifyRequest } from "fastify";
import type { Clock } from "../common/clock.ts";
import { CommandToken } from "../common/contracts/assertion.ts";
import type { PartRole } from "../common/contracts/fleet.ts";
import { TokenRefused, verifyToken } from "../common/tokens.ts";
import { aggregatorError } from "./errors.ts";
import type { Fleet } from "./fleet.ts";

export interface CallerOptions {
  readonly fleet: Fleet;
  readonly clock: Clock;
  /** This part's id: the audience of tokens meant for it. */
  readonly part: string;
}

/**
 * Who sent a request, by its command token: a part of one of these roles, signed with that part's own key.
 * @throws token-refused
 */
export async function callerOf(
  request: FastifyRequest,
  options: CallerOptions,
  ...roles: readonly PartRole[]
): Promise<string> {
  const { authorization } = request.headers;
  if (authorization === undefined || !authorization.startsWith("Bearer ")) {
    throw aggregatorError("token-refused", "There is no bearer token.");
  }
  try {
    const { payload, kid } = await verifyToken(authorization.slice("Bearer ".length), {
      type: "cp-command",
      schema: CommandToken,
      keys: (id) => {
        const trusted = options.fleet.trusted(id);
        return trusted !== undefined && roles.includes(trusted.role) ? trusted.key : undefined;
      },
      audience: options.part,
      nowSeconds: Math.floor(options.clock.now() / 1000),
    });
    const signer = options.fleet.trusted(kid)?.part;
    if (signer !== payload.iss)
      throw aggregatorError("token-refused", "The token names another issuer than its key's owner.");
    return payload.iss;
  } catch (error) {
    if (error instanceof TokenRefused) throw aggregatorError("token-refused", error.message, { cause: error });
    throw error;
  }
}
