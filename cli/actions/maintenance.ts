import type { CellMaintenance } from "../../common/contracts/rollout-records.ts";
import type { Answer, Context } from "../context.ts";
import { readJson } from "../json-file.ts";
import { windowText } from "./rollout/plan.ts";

/** `cell maintenance` */
export async function cellMaintenance(
  context: Context,
  input: { readonly cell: string; readonly file?: string; readonly reason?: string },
): Promise<Answer> {
  const plane = await context.controlPlane();
  const path = `/v1/cells/${encodeURIComponent(input.cell)}/maintenance`;
  const answer =
    input.file === undefined
      ? await plane.get<CellMaintenance>(path)
      : await plane.put<CellMaintenance>(path, {
          windows: readJson(input.file),
          ...(input.reason === undefined ? {} : { reason: input.reason }),
        });
  const text =
    answer.windows.length === 0 ? "Rollouts may change it at any time." : answer.windows.map(windowText).join("\n");
  return { json: answer, text };
}
