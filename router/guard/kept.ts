import type { CellId, KeyId, TenantId } from "../../common/ids.ts";
import type { SigningKey } from "../../common/keys.ts";

/** A signed assertion, and what it says. */
export interface Signed {
  /** As a field line. */
  readonly line: Buffer;
  readonly key: SigningKey;
  readonly cell: CellId;
  readonly epoch: number;
  readonly tenant: TenantId;
  readonly principal: KeyId | "anonymous";
  readonly synthetic: boolean;
  readonly usableUntil: number;
}

/** What the assertion of one principal is kept on; there are no more of these than of remembered keys and hosts. */
export interface Kept {
  assertion: Signed | null;
}
