import { drillRestore, type DrillReport } from "../../../cells/drivers/local/backup/drill.ts";
import type { Answer, Context } from "../../context.ts";
import { exitCodes } from "../../exit.ts";
import { facts, table } from "../../text.ts";
import { databaseOf, restoreMeans } from "./machine.ts";
import { lossHeads, lossRows } from "./losses.ts";

/**
 * `drill restore`: as if the disk of a cell (or of each, one after another) had died now. Nothing of the living cell is changed. Ends with 1 when anything did
 * not come back.
 */
export async function drillRestores(context: Context, input: { readonly cell?: string }): Promise<Answer> {
  const { cells } = await context.fleet();
  const wanted = input.cell === undefined ? cells.map(({ id }) => id as string) : [input.cell];
  const means = await restoreMeans(context);
  const drills: DrillReport[] = [];
  for (const cell of wanted) {
    context.progress(`Restoring ${cell} beside itself …\n`);
    drills.push(await drillRestore(await databaseOf(context, cell), means));
  }
  const problems = drills.flatMap((drill) => drill.problems);
  return {
    json: { drills, passed: problems.length === 0 },
    text: drills.map(textOf).join("\n\n"),
    exit: problems.length === 0 ? exitCodes.done : exitCodes.failed,
  };
}

function textOf(drill: DrillReport): string {
  const summary = facts([
    ["cell", drill.cell],
    ["from backup", drill.base],
    ["restored through", drill.through],
    ["RPO", `${drill.rpoSeconds.toFixed(1)} s of writes, of the tenant that would lose most`],
    ["RTO", `${drill.rtoSeconds.toFixed(1)} s until the restored database answered`],
    ["checked", `${drill.leases} leases, ${drill.rows} rows, ${drill.indexes} indexes`],
    ["problems", drill.problems.length === 0 ? "none" : drill.problems.join("; ")],
  ]);
  return `${summary}\n\n${table(lossHeads, lossRows(drill.tenants))}`;
}
