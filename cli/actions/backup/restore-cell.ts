import { restoreCell as restoreInPlace, type RestoredCell } from "../../../cells/drivers/local/backup/restore-cell.ts";
import type { AnnounceRestore, RestoreReport } from "../../../common/contracts/restores.ts";
import type { Answer, Context } from "../../context.ts";
import { noteDirect } from "../../direct.ts";
import { facts, table } from "../../text.ts";
import { holding, isUnreachable, raiseClaim } from "./claims.ts";
import { cellOf, databaseOf, momentOf, restoreMeans } from "./machine.ts";
import { lossRows, lossHeads } from "./losses.ts";

interface Wish {
  readonly cell: string;
  readonly to?: string;
  readonly reason: string;
  readonly direct?: boolean;
}

/**
 * `cell restore`: in place, to the newest archived state or to a moment. The registry holds the cell for it meanwhile, and its audit hears of it first; with
 * --direct it is done with the control plane dead, outranks whoever holds the cell, and the audit hears of it when the control plane is back.
 */
export async function restoreCell(context: Context, wish: Wish): Promise<Answer> {
  const cell = cellOf(wish.cell);
  const until = wish.to === undefined ? null : momentOf(wish.to);
  const database = await databaseOf(context, cell);
  const moment = until?.toISOString() ?? null;
  const restore = async (claim: number): Promise<Answer> => {
    context.progress(`Restoring ${cell}; its tenants get 503 until it is back …\n`);
    const restored = await restoreInPlace(database, await restoreMeans(context), until, claim);
    const isReported = await report(context, cell, restored, until);
    return { json: { cell, ...restored, reported: isReported }, text: textOf(cell, restored, isReported) };
  };
  if (wish.direct === true) {
    const target = `${cell} to ${moment ?? "the newest state"}`;
    await noteDirect(context.home, { action: "cell.restore", target, reason: wish.reason });
    return await restore(await raiseClaim(database));
  }
  return await holding(context, { kind: "cell-restore", cells: [cell], reason: wish.reason }, async (held) => {
    await announce(context, cell, { reason: wish.reason, until: moment });
    return await restore(held.token(cell));
  });
}

async function announce(context: Context, cell: string, body: AnnounceRestore): Promise<void> {
  await (await context.controlPlane()).post(`/v1/cells/${cell}/restores`, body);
}

/** The cell is restored, whatever becomes of the report: a control plane that is away is told so, not thrown. */
async function report(context: Context, cell: string, restored: RestoredCell, until: Date | null): Promise<boolean> {
  const { base, through, incarnation, restoreMs, tenants } = restored;
  const body: RestoreReport = { base, until: until?.toISOString() ?? null, through, restoreMs, tenants: [...tenants] };
  try {
    await (await context.controlPlane()).post(`/v1/cells/${cell}/lives/${incarnation}/report`, body);
    return true;
  } catch (error) {
    if (isUnreachable(error)) return false;
    throw error;
  }
}

function textOf(cell: string, restored: RestoredCell, isReported: boolean): string {
  const summary = facts([
    ["cell", cell],
    ["from backup", restored.base],
    ["restored through", restored.through],
    ["took", `${(restored.restoreMs / 1000).toFixed(1)} s`],
    ["incarnation", restored.incarnation],
    ...(restored.uncounted === null ? [] : [["loss not counted", restored.uncounted] as const]),
    ["former data", restored.aside === null ? "none" : `${restored.aside}, kept a day`],
  ]);
  const next = isReported
    ? `It serves when the registry has confirmed its leases: \`cellplane cell lives ${cell}\` shows what became of each.`
    : "The control plane is away: the cell serves when it is back and has confirmed its leases.";
  return `${summary}\n\n${table(lossHeads, lossRows(restored.tenants))}\n\n${next}`;
}
