import type { TenantRow } from "../../common/contracts/fleet.ts";
import type { CellId } from "../../common/ids.ts";
import { TokenRefused } from "../../common/tokens.ts";
import { fail } from "../errors.ts";
import { readLeaseWord, type Word } from "../guard/lease-words.ts";
import type { Owner } from "../table/owners.ts";
import type { Carriage } from "./carriage.ts";

/** Checks what a cell said with 421. @returns null for a word that helps no further, or does not verify. */
export async function checkWord(token: string, cell: CellId, tenant: TenantRow, on: Carriage): Promise<Word | null> {
  try {
    return await readLeaseWord(token, cell, tenant.id, on.trust);
  } catch (error) {
    if (!(error instanceof TokenRefused)) throw error;
    on.counters.wordsRefused += 1;
    on.log.warn({ event: "lease-word-refused", tenant: tenant.slug, cell, reason: error.reason });
    return null;
  }
}

/**
 * Whom to ask after a cell's word. A release record is adopted; parked requests of the tenant then go to the new owner at once.
 * @param asked who was taken for the owner, and said that it is not. @throws CellplaneError owner-unknown
 */
export function ownerBy(word: Word | null, asked: Owner, tenant: TenantRow, on: Carriage): Owner {
  if (word?.kind === "released") {
    const adopted = on.owners.adopt(word.record, word.token) ?? on.owners.ownerOf(tenant);
    if (adopted === undefined || adopted.epoch <= asked.epoch)
      throw fail("owner-unknown", "The cell names an owner that is older than the one known.");
    on.counters.recordsAdopted += 1;
    const { cell: to, epoch } = adopted;
    on.log.info({ event: "release-record-adopted", tenant: tenant.slug, from: asked.cell, to, epoch });
    on.parking.thawed(tenant.id);
    return adopted;
  }
  if (word?.kind === "active" && word.epoch !== asked.epoch) {
    on.counters.epochsCorrected += 1;
    return { ...asked, epoch: word.epoch };
  }
  throw fail("owner-unknown", `Cell ${asked.cell} does not own the tenant, and does not know who does.`);
}
