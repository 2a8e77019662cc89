import type { KeyObject } from "node:crypto";
import type { CellId } from "../ids.ts";
import type { PartRole, PartRow } from "../contracts/fleet.ts";
import { keyIdOf, publicKeyFrom } from "../keys.ts";
import type { FleetDocument } from "./document.ts";

/** A trusted key and whose it is. */
export interface TrustedKey {
  readonly key: KeyObject;
  readonly part: string;
  readonly role: PartRole;
}

/**
 * All parts' public keys by key id, as the fleet document names them. Rebuilt when a `part/` row changes; a part may have several
 * keys live at once, so that keys rotate without a restart.
 */
export class TrustStore {
  #byKid = new Map<string, TrustedKey>();

  /** Takes over the parts of a document. A row whose key cannot be read is left out and returned. */
  replace(document: FleetDocument): { readonly part: string; readonly error: Error }[] {
    const next = new Map<string, TrustedKey>();
    const bad: { part: string; error: Error }[] = [];
    for (const row of document.rowsOf<PartRow>("part")) {
      for (const spki of row.keys) {
        try {
          next.set(keyIdOf(spki), { key: publicKeyFrom(spki), part: row.id, role: row.role });
        } catch (error) {
          bad.push({ part: row.id, error: error as Error });
        }
      }
    }
    this.#byKid = next;
    return bad;
  }

  /** The key of that id, whosever it is. */
  find(kid: string): TrustedKey | undefined {
    return this.#byKid.get(kid);
  }

  /** A look-up for `verifyToken` that knows only keys of these roles. */
  lookup(...roles: readonly PartRole[]): (kid: string) => KeyObject | undefined {
    return (kid) => {
      const trusted = this.#byKid.get(kid);
      return trusted !== undefined && roles.includes(trusted.role) ? trusted.key : undefined;
    };
  }

  /** A look-up that knows only the keys of one cell: release records count only from the owner. */
  lookupCell(cell: CellId): (kid: string) => KeyObject | undefined {
    return (kid) => {
      const trusted = this.#byKid.get(kid);
      return trusted !== undefined && trusted.role === "cell" && trusted.part === cell ? trusted.key : undefined;
    };
  }
}
