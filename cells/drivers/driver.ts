import type { Slot, SlotAddresses } from "../../common/contracts/lease.ts";
import type { TenantLoss } from "../../common/contracts/restores.ts";
import type { MigrationClass, ReleaseManifest } from "../../common/contracts/release.ts";
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
  /** The highest claim that driver or cell have seen; 0 where none ever came. */
  readonly claim: number;
  readonly slots: Readonly<Record<Slot, SlotReport>>;
}

/** A backup that was restored for a test and found whole. */
export interface CellBackup {
  readonly id: string;
  /** The earliest moment that can be restored from it; the latest is now, less what is not archived yet. */
  readonly from: Date;
  readonly tenants: number;
  /** Rows in the application's tables. */
  readonly rows: number;
}

/** What a restore gave and cost. */
export interface CellRestore {
  readonly backup: string;
  /** Time of the newest commit that came back. */
  readonly through: string;
  /** Of the database's new life; no lease belongs to it until the registry says so. */
  readonly incarnation: string;
  readonly restoreMs: number;
  readonly tenants: readonly TenantLoss[];
}

/**
 * The port through which operations act on a cell: one interface, whatever cells are made of. A driver never has a method that it
 * cannot carry out.
 *
 * Every method may be called again, after a crash at any point of an earlier call too, and ends in the same state. Errors are
 * `CellplaneError`s with a code of `driverErrors`; all methods but `provision` throw unknown-cell for a cell that was never
 * provisioned, and those that reach the cell's platform throw supervisor-unreachable (or its like) when it is away.
 *
 * Every method that changes something takes the token of the operation's claim on the cell. Driver and cell keep the highest that came and refuse a lower one with
 * claim-outranked, before anything is changed: a worker that was thought dead, and whose operation was taken over since, does nothing more. Without a
 * token a method is let through; that is for people at the machine, and for the first start.
 */
export interface CellDriver {
  /**
   * Makes the cell's database, its cache, its credentials and its key, and starts the two servers. No release runs yet, and no
   * tenant is lost if it is repeated: what is there stays, and what runs is brought to the addresses that hold now.
   * @throws cell-fenced
   */
  provision(plan: CellPlan, claim?: number): Promise<CellAddresses>;

  /**
   * Copies a release to the cell, each file checked against its digest, so that the cell boots it without anybody's help.
   * @throws release-corrupt
   */
  installRelease(cell: CellId, release: ReleaseRef, claim?: number): Promise<void>;

  /**
   * Runs the release's migrations that the cell's database does not have yet. In a cell without tenants all of them, else those
   * classed `expand`.
   * @param also classes beside `expand` that may run: those that somebody has planned, knowing that there is no way back.
   * @throws release-missing, migration-failed; process-unhealthy when the database is down
   */
  migrate(cell: CellId, release: ReleaseRef, claim?: number, also?: readonly MigrationClass[]): Promise<void>;

  /**
   * Starts the release in a slot, beside what runs in the other. Returns when its processes live; whether they are ready,
   * `status` says.
   * @throws release-missing; slot-taken when another release is in the slot; cell-fenced; process-unhealthy
   */
  startRelease(cell: CellId, slot: Slot, release: ReleaseRef, claim?: number): Promise<void>;

  /**
   * Makes `to` the live slot, by compare-and-set on `from` in the cell's own database; done already, it does nothing.
   * @throws slot-empty when nothing is in `to`; cell-refused with the cell's own word
   */
  switchSlot(cell: CellId, from: Slot, to: Slot, claim?: number): Promise<void>;

  /**
   * Waits, bounded, until a slot has no requests, connections and jobs any more. The cell itself stopped giving it any at the switch. It changes
   * nothing, so it takes no claim.
   * @throws slot-live, also when the slot becomes live again meanwhile
   */
  drain(cell: CellId, slot: Slot): Promise<void>;

  /**
   * Stops and forgets what is in a slot; an empty one is no error.
   * @throws slot-live
   */
  stopRelease(cell: CellId, slot: Slot, claim?: number): Promise<void>;

  /** Stops all of the cell, database included; it stays down until `start`. Returns when it is down. */
  stop(cell: CellId, claim?: number): Promise<void>;

  /**
   * Starts all that `stop` stopped. Returns when its processes live.
   * @throws cell-fenced, process-unhealthy
   */
  start(cell: CellId, claim?: number): Promise<void>;

  /**
   * Makes sure that the cell serves and writes nothing, now and after any restart: the condition for giving its tenants to
   * others. When it returns that is so.
   */
  fence(cell: CellId, claim?: number): Promise<void>;

  /**
   * Backs the cell up while it serves, restores the backup beside it for a test, and removes what is older than the kept ones. A driver also does this by
   * itself, once a day, and archives continuously between: what a cell loses with its disk is a minute. Two backups are two backups: nothing is repeated.
   * @throws backup-busy, backup-failed; restore-failed when the backup does not restore
   */
  backup(cell: CellId, claim?: number): Promise<CellBackup>;

  /**
   * Puts the cell back to a moment, in place: what it had is kept aside for a day, its cache and queue begin empty, and its database is in another life. It serves
   * and runs nothing until the registry has confirmed its leases (POST /v1/incarnation/confirm). Called again after a death past the point of no return it
   * finishes that restore; a death before leaves the data as they were, and the cell stopped.
   * @param until null for the newest state that is archived
   * @throws no-backup, backup-busy, cell-fenced; restore-failed, after which the cell runs as before; migration-failed
   */
  restore(cell: CellId, until: Date | null, claim?: number): Promise<CellRestore>;

  /** What the cell says of itself. Never throws for a cell that is down. */
  status(cell: CellId): Promise<CellReport>;

  /**
   * Ends the cell: its processes and its credentials are gone when this returns, its data is kept for a day in which an operator may still want it
   * back. The caller made sure that it owns no tenant. An unknown cell is no error here: it is gone.
   */
  retire(cell: CellId, claim?: number): Promise<void>;
}
