import type { CreatedOperator, CreateOperator, OperatorList } from "../../common/contracts/operators.ts";
import type { Answer, Context } from "../context.ts";
import { facts, table } from "../text.ts";

/** `operator add` */
export async function addOperator(context: Context, input: CreateOperator): Promise<Answer> {
  const body: CreateOperator = { name: input.name, role: input.role };
  const created = await (await context.controlPlane()).post<CreatedOperator>("/v1/operators", body);
  const text = [
    facts([
      ["operator", created.name],
      ["role", created.role],
      ["token", created.token],
    ]),
    "",
    `The token is shown this once. ${created.name} acts with it so:\n  CELLPLANE_TOKEN=<token> npx cellplane sign-in`,
  ].join("\n");
  return { json: created, text };
}

/** `operator list` */
export async function listOperators(context: Context): Promise<Answer> {
  const list = await (await context.controlPlane()).get<OperatorList>("/v1/operators");
  const rows = list.operators.map(({ name, role, since }) => [name, role, since]);
  return { json: list, text: table(["OPERATOR", "ROLE", "SINCE"], rows) };
}

/** `operator revoke` */
export async function revokeOperator(context: Context, { name }: { readonly name: string }): Promise<Answer> {
  await (await context.controlPlane()).delete<null>(`/v1/operators/${encodeURIComponent(name)}`);
  return { json: { name, revoked: true }, text: `${name} can act no more.` };
}
