import type { Static } from "typebox";
import type { CellLives } from "../../../common/contracts/restores.ts";
import type { Answer, Context } from "../../context.ts";
import { table } from "../../text.ts";
import { cellOf } from "./machine.ts";

/** `cell lives`: what the registry decided about the leases of a restored cell. */
export async function showLives(context: Context, input: { readonly cell: string }): Promise<Answer> {
  const plane = await context.controlPlane();
  const answer = await plane.get<Static<typeof CellLives>>(`/v1/cells/${cellOf(input.cell)}/lives`);
  const rows = answer.lives.map(({ incarnation, plan, confirmedAt, report }) => [
    incarnation,
    report?.through ?? null,
    plan?.confirmed.length ?? null,
    plan === null ? null : plan.dropped.map(({ slug, why }) => `${slug}: ${why}`).join("; ") || "none",
    plan?.granted.length ?? null,
    confirmedAt ?? "not yet",
  ]);
  const heads = ["INCARNATION", "RESTORED THROUGH", "CONFIRMED", "DROPPED", "BEGIN EMPTY", "SERVES SINCE"];
  return { json: answer, text: table(heads, rows) };
}
