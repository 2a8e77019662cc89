import { decodeProtectedHeader } from "jose";
import { LeaseWord, ReleaseRecord } from "../../common/contracts/lease.ts";
import type { TrustStore } from "../../common/fleet/trust.ts";
import type { CellId, TenantId } from "../../common/ids.ts";
import { TokenRefused, verifyToken } from "../../common/tokens.ts";

/** A cell's word about a tenant that was checked. */
export type Word =
  | { readonly kind: "released"; readonly record: ReleaseRecord; readonly token: string }
  | { readonly kind: "active"; readonly epoch: number };

/**
 * Checks what a cell said with 421: it counts only when signed by the key of the very cell that was asked, about itself and that tenant (I4).
 * @returns null for a word that helps no further (`none`, `importing`, …).
 * @throws TokenRefused
 */
export async function readLeaseWord(
  token: string,
  asked: CellId,
  tenant: TenantId,
  trust: TrustStore,
): Promise<Word | null> {
  const keys = trust.lookupCell(asked);
  if (typeOf(token) === "cp-release-record") {
    const { payload } = await verifyToken(token, { type: "cp-release-record", schema: ReleaseRecord, keys });
    if (payload.from !== asked || payload.tenant !== tenant)
      throw new TokenRefused("malformed", "a release record of somebody else");
    return { kind: "released", record: payload, token };
  }
  const { payload } = await verifyToken(token, { type: "cp-lease-word", schema: LeaseWord, keys });
  if (payload.cell !== asked || payload.tenant !== tenant)
    throw new TokenRefused("malformed", "a word about somebody else");
  // A frozen tenant is still owned there: its reads go on, its writes wait.
  const owned = payload.state === "active" || payload.state === "frozen";
  return owned && payload.epoch !== null ? { kind: "active", epoch: payload.epoch } : null;
}

function typeOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).typ;
  } catch (cause) {
    throw new TokenRefused("malformed", "not a signed token", { cause });
  }
}
