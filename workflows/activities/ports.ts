import type { LookTime, Seen, WatchRequest } from "../../control-plane/rollout/looks.ts";
import type { Look, Watch } from "../../common/contracts/bake.ts";
import type { SlotAddresses, Slot } from "../../common/contracts/lease.ts";
import type { MigrationClass, Release, ReleaseManifest } from "../../common/contracts/release.ts";
import type { Line } from "../../common/contracts/rollout-records.ts";
import type { Rollout } from "../../common/contracts/rollout.ts";
import type { CellId, OperationId, ReleaseName, TenantId } from "../../common/ids.ts";
import type { CellReport, ReleaseRef } from "../definitions/steps.ts";

/**
 * How activities act on a cell. Every method may be called again after a crash at any point and then ends in the same state.
 * A method throws a `CellplaneError` with a code of the driver's table. One that changes the cell takes the token of the operation's claim, and refuses
 * one below the highest that came with `claim-outranked`.
 */
export interface DriverPort {
  status(cell: CellId): Promise<CellReport & { readonly claim: number }>;
  /** Copies the release's files into the cell's folder, each checked against its digest. */
  installRelease(cell: CellId, release: ReleaseRef, claim?: number): Promise<void>;
  /** Runs the release's `expand` migrations that the cell's database does not have yet, and those of the classes named. */
  migrate(cell: CellId, release: ReleaseRef, claim?: number, also?: readonly MigrationClass[]): Promise<void>;
  /** Starts the release in the slot; does nothing where it runs there already. */
  startRelease(cell: CellId, slot: Slot, release: ReleaseRef, claim?: number): Promise<void>;
  /** Makes `to` the live slot by compare-and-set on `from`; does nothing where it is live already. */
  switchSlot(cell: CellId, from: Slot, to: Slot, claim?: number): Promise<void>;
  /** Waits, bounded, until the slot has no work of its own any more. */
  drain(cell: CellId, slot: Slot): Promise<void>;
  /** Stops what runs in the slot, which is not the live one. */
  stopRelease(cell: CellId, slot: Slot, claim?: number): Promise<void>;
}

/** A cell as the registry knows it. */
export interface RegisteredCell {
  readonly id: CellId;
  readonly slots: Readonly<Record<Slot, SlotAddresses>>;
  readonly liveSlot: Slot;
  readonly release: ReleaseName | null;
}

/** The cell's own tenant for smoke tests and synthetic load. */
export interface SyntheticTenant {
  readonly id: TenantId;
  readonly host: string;
  readonly epoch: number;
}

/** What activities read from and write to the control plane's database. */
export interface RegistryPort {
  cell(id: CellId): Promise<RegisteredCell>;
  cells(): Promise<readonly Pick<RegisteredCell, "id" | "release">[]>;
  /** Part ids and admin addresses of the routers. */
  routers(): Promise<readonly { readonly id: string; readonly url: string }[]>;
  release(
    name: ReleaseName,
  ): Promise<ReleaseRef & Pick<Release, "state"> & { readonly manifest: Pick<ReleaseManifest, "journey"> }>;
  syntheticTenant(cell: CellId): Promise<SyntheticTenant>;
  /** Makes the key with this digest valid for the tenant; does nothing where it is. */
  ensureKey(tenant: TenantId, digest: string): Promise<void>;
  /**
   * Takes the cells exclusively for the operation, all or none; does nothing where it has them.
   * @param seen the highest token that each cell itself has seen: the new ones are above it.
   */
  takeClaims(operation: OperationId, cells: readonly CellId[], seen: ReadonlyMap<CellId, number>): Promise<void>;
  /** The token of the operation's claim on the cell; null where it holds none any more. */
  claimToken(operation: OperationId, cell: CellId): Promise<number | null>;
  /** All cells that the operation holds. */
  heldCells(operation: OperationId): Promise<readonly CellId[]>;
  /** Gives the operation's claim on a cell a higher token, which it then answers; null where it holds none. */
  raiseClaim(operation: OperationId, cell: CellId): Promise<number | null>;
  dropClaims(operation: OperationId): Promise<void>;
  /** Writes the rollout as it is now; an equal or older revision changes nothing. */
  saveRollout(rollout: Rollout): Promise<void>;
  quarantine(release: ReleaseName, reason: string): Promise<void>;
  /** Takes back a quarantine that a person has overridden; does nothing where there is none. */
  liftQuarantine(release: ReleaseName, reason: string): Promise<void>;
  /** Whether the line is stopped: then no rollout begins anything. */
  line(): Promise<Line>;
  /** Publishes the cell's live slot and release in the fleet document. */
  publishLive(cell: CellId, slot: Slot, release: ReleaseName): Promise<void>;
  /** After a completed rollout: what new and returning cells get. */
  setCurrentRelease(release: ReleaseName): Promise<void>;
  /** Opens a watch over a wave, with what is known of the traffic before it; does nothing where it is open. */
  openWatch(operation: OperationId, request: WatchRequest): Promise<void>;
  /** Adds a look, and answers it as it is kept; one that is told twice is written once. */
  addLook(
    of: { readonly operation: OperationId; readonly number: number; readonly look: number },
    seen: Seen,
    time: LookTime,
    staleSeconds: number,
  ): Promise<Look>;
  /** A watch with its looks: all, or those before the numbered one. */
  watch(operation: OperationId, number: number, before?: number): Promise<Watch>;
}
