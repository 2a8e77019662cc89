import { ReleaseRecord } from "../../common/contracts/lease.ts";
import type { Lease } from "../../common/contracts/cell-admin.ts";
import type { TrustStore } from "../../common/fleet/trust.ts";
import type { CellId, TenantId } from "../../common/ids.ts";
import type { Logger } from "../../common/log.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { TokenRefused, verifyToken } from "../../common/tokens.ts";
import { CellplaneError } from "../../common/errors.ts";
import { cellError } from "./errors.ts";
import { activateLease } from "./lease-import.store.ts";

/** Routers send a record with each request until their document names the new owner; so many are remembered as having had their effect. */
const rememberedRecords = 1_000;

export interface ActivatorOptions {
  readonly cell: CellId;
  readonly trust: TrustStore;
  readonly system: Pool;
  readonly log: Logger;
}

/**
 * Takes tenants over by their release record, whoever brings it: the mover, or a router with the first request to come. So a tenant is served again even if
 * every operating part died after the release.
 */
export class Activator {
  readonly #options: ActivatorOptions;
  readonly #settled = new Set<string>();

  constructor(options: ActivatorOptions) {
    this.#options = options;
  }

  /**
   * The record that a router sends with a request of that tenant. One that does not hold changes nothing, and the lease itself then says what is here.
   */
  async bringWithRequest(token: string | string[] | undefined, tenant: TenantId): Promise<void> {
    if (typeof token !== "string" || this.#settled.has(token)) return;
    try {
      await this.bring(token, tenant);
    } catch (error) {
      if (!(error instanceof CellplaneError)) throw error;
      this.#options.log.warn({ event: "release-record-refused", tenant, code: error.code, detail: error.message });
    }
  }

  /**
   * Makes the tenant's lease active if it is ready for this very release. Asked again it answers the same.
   * @throws record-refused: not signed by the cell that gave the tenant away, meant for another cell, or no lease is ready for it.
   */
  async bring(token: string, tenant: TenantId): Promise<Lease> {
    const record = await this.#verify(token);
    if (record.tenant !== tenant) throw cellError("record-refused", "The record is another tenant's.");
    if (record.destination !== this.#options.cell)
      throw cellError("record-refused", `The record gives the tenant to ${record.destination}.`);
    const outcome = await activateLease(this.#options.system, record);
    if (outcome.kind !== "done") {
      const held = outcome.lease === undefined ? "no lease" : `a lease ${outcome.lease.state}`;
      throw cellError(
        "record-refused",
        `This cell holds ${held} of the tenant, not one that is ready for this release.`,
      );
    }
    const { from, epoch, operation } = record;
    this.#options.log.info({ event: "tenant-activated", tenant, from, epoch, operation });
    this.#settle(token);
    return outcome.lease;
  }

  async #verify(token: string): Promise<ReleaseRecord> {
    const { trust } = this.#options;
    try {
      const keys = trust.lookup("cell");
      const { payload, kid } = await verifyToken(token, { type: "cp-release-record", schema: ReleaseRecord, keys });
      if (trust.find(kid)?.part !== payload.from)
        throw cellError("record-refused", "The record is signed by another cell than the one it names.");
      return payload;
    } catch (cause) {
      if (cause instanceof TokenRefused)
        throw cellError("record-refused", `The record is refused: ${cause.reason}.`, { cause });
      throw cause;
    }
  }

  #settle(token: string): void {
    if (this.#settled.size >= rememberedRecords) {
      const [oldest] = this.#settled;
      if (oldest !== undefined) this.#settled.delete(oldest);
    }
    this.#settled.add(token);
  }
}
