import { randomBytes } from "node:crypto";
import { sha256 } from "../../common/canonical.ts";
import type { Clock } from "../../common/clock.ts";
import type { CreatedOperator, CreateOperator, OperatorList } from "../../common/contracts/operators.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { uuidv7 } from "../../common/uuid.ts";
import { fail } from "../errors.ts";
import { change } from "../registry/change.ts";
import { findPart } from "../registry/parts.store.ts";
import { endOperator, listOperators, lockOperator, writeOperatorToken } from "./credentials.store.ts";

type Wiring = { readonly pool: Pool; readonly clock: Clock };

export async function showOperators(pool: Pool): Promise<OperatorList> {
  const operators = await listOperators(pool);
  return { operators: operators.map(({ since, ...person }) => ({ ...person, since: since.toISOString() })) };
}

/**
 * Gives a person a token; the registry keeps its digest.
 * @throws operator-exists where the name belongs to somebody who can act already, a part of the fleet included.
 */
export async function addOperator(wiring: Wiring, actor: string, person: CreateOperator): Promise<CreatedOperator> {
  const token = `cpo_${randomBytes(32).toString("base64url")}`;
  await change(wiring, { actor }, async (step) => {
    if ((await findPart(step.tx, person.name)) !== null)
      throw fail("operator-exists", `${person.name} is a part of the fleet, and acts under that name.`);
    const known = await lockOperator(step.tx, person.name);
    if (known !== null && !known.revoked)
      throw fail("operator-exists", `${person.name} has a token, as ${known.role}.`);
    await writeOperatorToken(step.tx, { ...person, id: uuidv7(), digest: sha256(token) });
    step.audit("operator.add", `${person.name} as ${person.role}`);
  });
  return { ...person, token };
}

/**
 * Makes whatever an operator can act with worthless. Nobody takes the own away, so that one admin is always left.
 * @throws unknown-operator, own-token
 */
export async function revokeOperator(wiring: Wiring, actor: string, name: string): Promise<void> {
  if (name === actor) throw fail("own-token", `${name} asked for it.`);
  await change(wiring, { actor }, async (step) => {
    const known = await lockOperator(step.tx, name);
    if (known === null || known.revoked) throw fail("unknown-operator", `Nobody is called ${name}.`);
    await endOperator(step.tx, name, new Date(wiring.clock.now()));
    step.audit("operator.revoke", name);
  });
}
