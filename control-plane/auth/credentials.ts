import { randomBytes, randomInt } from "node:crypto";
import { sha256 } from "../../common/canonical.ts";
import type { Clock } from "../../common/clock.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { uuidv7 } from "../../common/uuid.ts";
import { fail } from "../errors.ts";
import { change } from "../registry/change.ts";
import {
  deleteSession,
  findOperator,
  findSession,
  insertCode,
  insertSession,
  takeCode,
  writeOperatorToken,
  type Person,
} from "./credentials.store.ts";

/** Long enough to be found on the screen and pasted, short enough not to lie about. */
const codeLifeMs = 60 * 60_000;
/** A working day; then one signs in again. */
export const sessionLifeMs = 12 * 60 * 60_000;
/** No vowels and nothing that looks like something else: 12 of these are 55 bits. */
const alphabet = "BCDFGHJKLMNPQRSTVWXZ2456789";
const codeLength = 12;

type Wiring = { readonly pool: Pool; readonly clock: Clock };

/** The name under which `npm start`'s own operator acts. */
export const firstOperator = "operator";

/** Makes the token with this digest the first admin's. Called at boot: the token itself stays where `npm start` put it. */
export async function registerFirstOperator(wiring: Wiring, digest: string): Promise<void> {
  await change(wiring, { actor: "control-plane" }, async (step) => {
    const person = { name: firstOperator, role: "admin" as const };
    if (await writeOperatorToken(step.tx, { ...person, id: uuidv7(), digest }))
      step.audit("operator.register", firstOperator);
  });
}

/** Whose operator token this is, if anybody's. */
export async function personOfToken(pool: Pool, token: string): Promise<Person | null> {
  return await findOperator(pool, sha256(token));
}

/** Whose session this is, if it lives. */
export async function personOfSession({ pool, clock }: Wiring, secret: string): Promise<Person | null> {
  return await findSession(pool, sha256(secret), new Date(clock.now()));
}

/** Makes a code with which a browser signs in as the same person, once. */
export async function makeCode(
  wiring: Wiring,
  person: Person,
): Promise<{ readonly code: string; readonly expiresAt: string }> {
  const letters = Array.from({ length: codeLength }, () => alphabet.charAt(randomInt(alphabet.length)));
  const code = [letters.slice(0, 4), letters.slice(4, 8), letters.slice(8)].map((group) => group.join("")).join("-");
  const expiresAt = new Date(wiring.clock.now() + codeLifeMs);
  await change(wiring, { actor: person.name }, async (step) => {
    await insertCode(step.tx, { ...person, digest: digestOfCode(code), expiresAt });
    step.audit("sign-in-code.create", person.name);
  });
  return { code, expiresAt: expiresAt.toISOString() };
}

/**
 * Exchanges a code for a session.
 * @returns the session's secret, which only the browser keeps.
 * @throws code-refused
 */
export async function signIn(
  wiring: Wiring,
  code: string,
): Promise<{ readonly person: Person; readonly secret: string }> {
  const secret = randomBytes(32).toString("base64url");
  const now = wiring.clock.now();
  const { result: person } = await change(wiring, { actor: "sign-in" }, async (step) => {
    const whose = await takeCode(step.tx, digestOfCode(code), new Date(now));
    if (whose === null) throw fail("code-refused", "The code was never given, was used before, or has expired.");
    await insertSession(step.tx, { ...whose, digest: sha256(secret), expiresAt: new Date(now + sessionLifeMs) });
    step.audit("session.create", whose.name);
    return whose;
  });
  return { person, secret };
}

export async function signOut(wiring: Wiring, person: Person, secret: string): Promise<void> {
  await change(wiring, { actor: person.name }, async (step) => {
    await deleteSession(step.tx, sha256(secret));
    step.audit("session.end", person.name);
  });
}

/** However it was typed: case, spaces and dashes do not matter. */
function digestOfCode(code: string): string {
  return sha256(code.toUpperCase().replace(/[^A-Z0-9]/g, ""));
}
