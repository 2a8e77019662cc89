import type { AbandonedOperation, AbandonOperation, OpenOperations } from "../../common/contracts/claims.ts";
import type { Answer, Context } from "../context.ts";
import { table } from "../text.ts";

/** `operation list` */
export async function listOperations(context: Context): Promise<Answer> {
  const open = await (await context.controlPlane()).get<OpenOperations>("/v1/operations");
  const rows = open.operations.map(({ id, kind, release, state, isHeard, requestedBy, createdAt, cells }) => [
    id,
    release === null ? kind : `${kind} of ${release}`,
    state ?? (isHeard === false ? "not heard of" : "running"),
    requestedBy,
    createdAt,
    cells.join(", "),
  ]);
  return { json: open, text: table(["ID", "WHAT", "STATE", "BY", "SINCE", "CELLS"], rows) };
}

/** `operation abandon` */
export async function abandonOperation(
  context: Context,
  { id, reason }: { readonly id: string; readonly reason: string },
): Promise<Answer> {
  const body: AbandonOperation = { reason };
  const path = `/v1/operations/${encodeURIComponent(id)}/abandon`;
  const abandoned = await (await context.controlPlane()).post<AbandonedOperation>(path, body);
  const cells = abandoned.cells.map(({ cell, step, error }) => `${cell}  ${step}${error === null ? "" : `: ${error}`}`);
  return { json: abandoned, text: [workflowTexts[abandoned.workflow], ...cells].join("\n") };
}

const workflowTexts: Readonly<Record<AbandonedOperation["workflow"], string>> = {
  none: "It is ended. It had no workflow any more.",
  ended: "It is ended, and so is its workflow, which did not answer.",
  "not-asked":
    "It is ended. Temporal could not be asked; should its workflow come back, it holds no cell and changes nothing.",
};
