import type { Clock } from "./clock.ts";
import { commandLifeSeconds } from "./contracts/assertion.ts";
import type { SigningKey } from "./keys.ts";
import { signToken } from "./tokens.ts";

// A token is replaced this long before its end, so that none expires on its way.
const renewBeforeSeconds = 15;

/**
 * Command tokens of one part, each signed once per audience and reused until near its end.
 * @returns a function from the audience's part id to a token for it.
 */
export function commandTokens(part: string, key: SigningKey, clock: Clock): (audience: string) => Promise<string> {
  const signed = new Map<string, { readonly token: Promise<string>; readonly until: number }>();
  return async (audience) => {
    const now = Math.floor(clock.now() / 1000);
    const known = signed.get(audience);
    if (known !== undefined && known.until > now) return await known.token;
    const token = signToken("cp-command", { iss: part, aud: audience, iat: now, exp: now + commandLifeSeconds }, key);
    signed.set(audience, { token, until: now + commandLifeSeconds - renewBeforeSeconds });
    return await token;
  };
}
