import type { Slot, SlotAddresses } from "../../common/contracts/lease.ts";
import type { ReleaseManifest } from "../../common/contracts/release.ts";
import type { CellId, ReleaseName } from "../../common/ids.ts";

/** A release by its name and the digest of its manifest, which proves it. */
export interface ReleaseRef {
  readonly name: ReleaseName;
  readonly digest: string;
}

/** Where a driver gets releases from: the control plane's store, or a bundle on this machine. */
export interface ReleaseSource {
  manifest(release: ReleaseRef): Promise<ReleaseManifest>;
  /** The content of a file by its SHA-256; who reads checks it. */
  read(digest: string): Promise<AsyncIterable<Uint8Array>>;
}

/** A cell that shall be. */
export interface CellPlan {
  readonly id: CellId;
  readonly region: string;
}

/** A cell's two addresses, fixed for its whole life. */
export type CellAddresses = Readonly<Record<Slot, SlotAddresses>>;

/** What a cell itself says about one of its slots. */
export interface SlotReport {
  /** Null where nothing is in the slot. */
  readonly release: ReleaseName | null;
  /** Null where nothing is in the slot, or it does not answer. */
  readonly digest: string | null;
  readonly ready: boolean;
  /** What keeps it from being ready. */
  readonly problems: readonly string[];
}

/** What a cell itself says: which slot is live, and which release is in which slot. */
export interface CellReport {
  /** As the cell says; where no slot answers, as the driver last knew it. */
  readonly liveSlot: Slot;
  readonly fenced: boolean;
  readonly slots: Readonly<Record<Slot, SlotReport>>;
}

/**
 * The port through which operations act on a cell: one interface, whatever cells are made of. It grows with `backup` and
 * `restore` when there is something to back up to; a driver never has a method that it cannot carry out.
 *
 * Every method may be called again, after a crash at any point of an earlier call too, and ends in the same state. Errors are
 * `CellplaneError`s with a code of `driverErrors`; all methods but `provision` throw unknown-cell for a cell that was never
 * provisioned, and those that reach the cell's platform throw supervisor-unreachable (or its like) when it is away.
 */
export interface CellDriver {
  /**
   * Makes the cell's database, its cache, its credentials and its key, and starts the two servers. No release runs yet, and no
   * tenant is lost if it is repeated: what is there stays, and what runs is brought to the addresses that hold now.
   * @throws cell-fenced
   */
  provision(plan: CellPlan): Promise<CellAddresses>;

  /**
   * Copies a release to the cell, each file checked against its digest, so that the cell boots it without anybody's help.
   * @throws release-corrupt
   */
  installRelease(cell: CellId, release: ReleaseRef): Promise<void>;

  /**
   * Runs the release's migrations that the cell's database does not have yet. In a cell without tenants all of them, else those
   * classed `expand`.
   * @throws release-missing, migration-failed; process-unhealthy when the database is down
   */
  migrate(cell: CellId, release: ReleaseRef): Promise<void>;

  /**
   * Starts the release in a slot, beside what runs in the other. Returns when its processes live; whether they are ready,
   * `status` says.
   * @throws release-missing; slot-taken when another release is in the slot; cell-fenced; process-unhealthy
   */
  startRelease(cell: CellId, slot: Slot, release: ReleaseRef): Promise<void>;

  /**
   * Makes `to` the live slot, by compare-and-set on `from` in the cell's own database; done already, it does nothing.
   * @throws slot-empty when nothing is in `to`; cell-refused with the cell's own word
   */
  switchSlot(cell: CellId, from: Slot, to: Slot): Promise<void>;

  /**
   * Waits, bounded, until a slot has no requests, connections and jobs any more. The cell itself stopped giving it any at the switch.
   * @throws slot-live
   */
  drain(cell: CellId, slot: Slot): Promise<void>;

  /**
   * Stops and forgets what is in a slot; an empty one is no error.
   * @throws slot-live
   */
  stopRelease(cell: CellId, slot: Slot): Promise<void>;

  /** Stops all of the cell, database included; it stays down until `start`. Returns when it is down. */
  stop(cell: CellId): Promise<void>;

  /**
   * Starts all that `stop` stopped. Returns when its processes live.
   * @throws cell-fenced, process-unhealthy
   */
  start(cell: CellId): Promise<void>;

  /**
   * Makes sure that the cell serves and writes nothing, now and after any restart: the condition for giving its tenants to
   * others. When it returns that is so.
   */
  fence(cell: CellId): Promise<void>;

  /** What the cell says of itself. Never throws for a cell that is down. */
  status(cell: CellId): Promise<CellReport>;

  /**
   * Removes the cell with its data and credentials, for ever. The caller made sure that it owns no tenant. An unknown cell is no
   * error here: it is gone.
   */
  retire(cell: CellId): Promise<void>;
}
