import type { Clock } from "../../common/clock.ts";
import type { CellId, TenantId } from "../../common/ids.ts";
import type { SigningKey } from "../../common/keys.ts";
import { signToken } from "../../common/tokens.ts";
import { internalHeaders } from "../../common/contracts/headers.ts";
import type { LeaseRefusal } from "./database-errors.ts";

/** Who signs for the cell. */
export interface CellSigner {
  readonly cell: CellId;
  readonly key: SigningKey;
  readonly clock: Clock;
}

/**
 * The cell's signed word with a 421: the release record where it gave the tenant away, else what it holds of the tenant.
 * @returns the header's name and value.
 */
export async function refusalHeader(
  signer: CellSigner,
  tenant: TenantId,
  refusal: LeaseRefusal,
): Promise<readonly [name: string, value: string]> {
  // A tombstone speaks until it is replaced, also while it gives way to an import.
  if (refusal.record !== null) return [internalHeaders.releaseRecord, refusal.record];
  const iat = Math.floor(signer.clock.now() / 1000);
  const word = await signToken(
    "cp-lease-word",
    { cell: signer.cell, tenant, state: refusal.state, epoch: refusal.epoch, iat },
    signer.key,
  );
  return [internalHeaders.leaseWord, word];
}
