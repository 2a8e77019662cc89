import { NoAnswer } from "../../common/http/exchange.ts";
import type { CellRecord } from "../registry/cells.store.ts";
import type { PartAnswer, PartClient } from "./part-client.ts";

/**
 * Calls a cell's admin API through the slot that is live, else through the other: right after a switch the registry may be behind.
 * @param body sent by POST; left out it is a GET
 * @returns null where neither answers
 */
export async function callCell(
  parts: PartClient,
  cell: CellRecord,
  path: string,
  timeoutMs: number,
  body?: unknown,
): Promise<PartAnswer | null> {
  const slots = cell.liveSlot === "a" ? (["a", "b"] as const) : (["b", "a"] as const);
  for (const slot of slots) {
    try {
      const call = { url: `${cell.slots[slot].adminUrl}${path}`, audience: cell.id, timeoutMs };
      return await parts.call(body === undefined ? call : { ...call, method: "POST", body });
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
    }
  }
  return null;
}
