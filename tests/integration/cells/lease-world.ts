import assert from "node:assert/strict";
import type { ConfirmLeases, Lease } from "../../../common/contracts/cell-admin.ts";
import { databaseProblem, isDatabaseAway } from "../../../cells/kit/database-errors.ts";
import { confirmLeases } from "../../../cells/kit/incarnation.store.ts";
import { abortImport } from "../../../cells/kit/lease-import.store.ts";
import { takeAttempt } from "../../../cells/kit/lease-owner.store.ts";
import { grantLease, listLeases, thawExpired } from "../../../cells/kit/lease.store.ts";
import { CellplaneError } from "../../../common/errors.ts";
import { operationId, tenantId, type OperationId, type TenantId } from "../../../common/ids.ts";
import { uuidv7 } from "../../../common/uuid.ts";
import type { Backup, CellView, LeaseCell, LeaseView } from "./lease-bed.ts";

/** A move that somebody asked for. Its tries, dead ones too, are `LeaseMover`s. */
export interface Operation {
  readonly id: OperationId;
  readonly tenant: TenantId;
  readonly source: LeaseCell;
  readonly destination: LeaseCell;
  open: boolean;
}

/** A write that has begun and not ended. */
interface OpenWrite {
  readonly note: string;
  /** Lets it go on: first into its INSERT, then into its COMMIT. */
  readonly gates: (() => void)[];
  readonly ended: Promise<void>;
}

/** More writes at once would need more connections than a cell's pool has. */
const mostOpenWrites = 3;

/**
 * Tenants on several cells, and what is known of them from outside: which writes were acknowledged, who was seen to own what. After every action
 * `check` holds it against the databases.
 */
export class LeaseWorld {
  readonly cells: readonly LeaseCell[];
  readonly tenants: readonly TenantId[];
  readonly operations = new Map<TenantId, Operation>();
  readonly records: { readonly tenant: TenantId; readonly token: string }[] = [];
  readonly #acknowledged = new Map<TenantId, Set<string>>();
  /** Writes whose answer was lost, or that a restore may have taken: they may be there or not. */
  readonly #uncertain = new Map<TenantId, Set<string>>();
  /** Which cell was seen to own a tenant at an epoch. */
  readonly #owners = new Map<string, LeaseCell>();
  readonly #highest = new Map<TenantId, number>();
  readonly #backups = new Map<LeaseCell, Backup>();
  /** What a restored cell's leases were before anybody said a word about them. */
  readonly #restored = new Map<LeaseCell, ReadonlyMap<TenantId, LeaseView>>();
  /** Tenants whose only copy a restore took. */
  readonly #lost = new Set<TenantId>();
  readonly #open: OpenWrite[] = [];
  #notes = 0;
  /** What happened, for the report. */
  acknowledged = 0;
  restores = 0;

  private constructor(cells: readonly LeaseCell[], tenants: readonly TenantId[]) {
    this.cells = cells;
    this.tenants = tenants;
  }

  /** A world in which each cell owns one tenant more or less. */
  static async begin(cells: readonly LeaseCell[], howMany: number): Promise<LeaseWorld> {
    for (const cell of cells) await cell.clear();
    const tenants = Array.from({ length: howMany }, () => tenantId(uuidv7()));
    const world = new LeaseWorld(cells, tenants);
    for (const [index, tenant] of tenants.entries()) {
      world.#acknowledged.set(tenant, new Set());
      world.#uncertain.set(tenant, new Set());
      await patiently(() =>
        grantLease(world.cell(index).system, tenant, { epoch: 1, slug: `t-${index}`, tier: "pro", synthetic: false }),
      );
    }
    return world;
  }

  cell = (index: number): LeaseCell => this.cells[index % this.cells.length] as LeaseCell;
  tenant = (index: number): TenantId => this.tenants[index % this.tenants.length] as TenantId;

  look = (): Promise<CellView[]> => Promise.all(this.cells.map((cell) => cell.look()));

  /** Tenants that changed their owner. */
  get moves(): number {
    return this.#owners.size - this.tenants.length;
  }

  /** The tenant's open move, or a new one from the cell that owns it to another. */
  async operationOn(tenant: TenantId): Promise<Operation | undefined> {
    const open = this.operations.get(tenant);
    if (open?.open === true) return open;
    const owner = ownerOf(await this.look(), tenant)?.cell;
    const destination = this.cells.find((cell) => cell !== owner);
    if (owner === undefined || destination === undefined) return undefined;
    const operation = { id: operationId(uuidv7()), tenant, source: owner, destination, open: true };
    this.operations.set(tenant, operation);
    return operation;
  }

  /** A client's write at any cell, at any epoch it may believe in; `null` is a job's, at whatever epoch holds. */
  async write(cell: LeaseCell, tenant: TenantId, epoch: number | null): Promise<void> {
    if (cell.serves) await this.#write(cell, tenant, epoch, []);
  }

  /** A write that stands still before its INSERT and before its COMMIT, until `goOn`. */
  async openWrite(cell: LeaseCell, tenant: TenantId): Promise<void> {
    if (this.#open.length >= mostOpenWrites || !cell.serves) return;
    const halts = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const note = `open-${++this.#notes}`;
    const ended = this.#write(
      cell,
      tenant,
      null,
      halts.map(({ promise }) => promise),
      note,
    );
    this.#open.push({ note, gates: halts.map(({ resolve }) => resolve), ended });
  }

  /** Lets one of the open writes take its next step; after its last it has ended. */
  async goOn(index: number): Promise<void> {
    const write = this.#open[index % Math.max(1, this.#open.length)];
    if (write === undefined) return;
    write.gates.shift()?.();
    if (write.gates.length > 0) return;
    this.#open.splice(this.#open.indexOf(write), 1);
    await write.ended;
  }

  async #write(
    cell: LeaseCell,
    tenant: TenantId,
    epoch: number | null,
    halts: readonly Promise<void>[],
    note = `note-${++this.#notes}`,
  ): Promise<void> {
    let committing = false;
    try {
      const held = await cell.tenants.run(
        { tenant, epoch },
        "write",
        async (tx) => {
          await halts[0];
          await tx.query("INSERT INTO notes (note) VALUES ($1)", [note]);
          await halts[1];
          return tx.epoch;
        },
        {
          beforeCommit: () => {
            committing = true;
          },
        },
      );
      this.#acknowledged.get(tenant)?.add(note);
      this.acknowledged += 1;
      this.#saw(tenant, held, cell);
    } catch (error) {
      if (databaseProblem(error) === undefined) throw error;
      if (committing) this.#uncertain.get(tenant)?.add(note);
    }
  }

  async passDeadlines(cell: LeaseCell, sweep: boolean): Promise<void> {
    await cell.passDeadlines();
    if (sweep) await patiently(() => thawExpired(cell.system));
  }

  /**
   * Anybody brings any record that was ever signed to any cell.
   * @param index which; negative ones count from the newest
   * @param unaware the process that it is brought to has not noticed yet that its cell was restored
   */
  async bring(cell: LeaseCell, index: number, unaware = false): Promise<void> {
    const record = this.records.at(index < 0 ? index : index % Math.max(1, this.records.length));
    if (record === undefined || (!cell.serves && !unaware)) return;
    try {
      await patiently(() => cell.activator.bring(record.token, record.tenant));
    } catch (error) {
      if (!(error instanceof CellplaneError)) throw error;
    }
  }

  async backUp(cell: LeaseCell): Promise<void> {
    this.#backups.set(cell, await cell.backUp());
  }

  /** The cell goes back to its last backup. What it had acknowledged since may be gone. */
  async restore(cell: LeaseCell): Promise<void> {
    const backup = this.#backups.get(cell);
    if (backup === undefined) return;
    const views = await this.look();
    // What another cell owns, this one cannot lose; also what it is about to give to this one.
    for (const tenant of this.tenants) {
      const owner = ownerOf(views, tenant);
      if (owner === undefined || owner.cell === cell) this.#forgive(tenant);
      // It may be released to this cell, which has forgotten that it was ready; then the source's kept copy is all there is.
      else if (this.operations.get(tenant)?.destination === cell) this.#lost.add(tenant);
    }
    await cell.restore(backup, uuidv7());
    const { former } = await cell.look();
    this.#restored.set(cell, new Map(former.map((lease) => [lease.tenant, lease])));
    this.restores += 1;
  }

  /**
   * The registry's part after a restore: it ends the moves that the cell had a part in, then confirms what nobody else holds, at an epoch above all that
   * were seen, and drops the rest.
   */
  async confirm(cell: LeaseCell): Promise<void> {
    await unlessBusy(() => this.#confirm(cell));
  }

  async #confirm(cell: LeaseCell): Promise<void> {
    if (cell.serves) return;
    const others = this.cells.filter((other) => other !== cell);
    for (const other of others) if (!other.serves) return;
    const words: ConfirmLeases["leases"] = [];
    for (const lease of await patiently(() => listLeases(cell.system))) {
      if (lease.state === "released") continue;
      const confirmed = await this.#mayConfirm(lease, others);
      if (confirmed) this.#forgive(lease.tenant);
      words.push(
        confirmed
          ? { tenant: lease.tenant, epoch: await this.#epochAboveAll(lease.tenant) }
          : { tenant: lease.tenant, dropped: true as const },
      );
    }
    await patiently(() => confirmLeases(cell.system, { incarnation: cell.onFile, leases: words }));
  }

  async #mayConfirm(lease: Lease, others: readonly LeaseCell[]): Promise<boolean> {
    for (const other of others) {
      const held = (await patiently(() => listLeases(other.system))).find(({ tenant }) => tenant === lease.tenant);
      if (held === undefined) continue;
      if (held.state === "importing" || held.state === "ready") {
        // It would still take the tenant, by a record from before the restore.
        const step = { operation: held.operation as OperationId, attempt: held.attempt };
        await patiently(() => abortImport(other.system, lease.tenant, step));
      } else if (held.state !== "released") {
        // It may be about to release to what this cell no longer holds: that attempt is ended first.
        const taken = await patiently(() => takeAttempt(other.system, lease.tenant, operationId(uuidv7())));
        if (taken.kind === "done") return false;
      }
    }
    return lease.state !== "importing";
  }

  async #epochAboveAll(tenant: TenantId): Promise<number> {
    let highest = this.#highest.get(tenant) ?? 1;
    for (const cell of this.cells)
      for (const lease of await patiently(() => listLeases(cell.system)))
        if (lease.tenant === tenant) highest = Math.max(highest, lease.epoch);
    return highest + 1;
  }

  /** Brings everything to rest: open writes end, restored cells are confirmed. */
  async settle(): Promise<void> {
    while (this.#open.length > 0) await this.goOn(0);
    for (const cell of this.cells) await this.confirm(cell);
  }

  /**
   * I1 to I4 and I8, as they stand in the databases now.
   * @param nobodys a tenant that was given away to a cell that is not ready for it
   */
  async check(nobodys?: TenantId): Promise<void> {
    const views = await this.look();
    for (const view of views) this.#checkFormer(view);
    for (const tenant of this.tenants) {
      const owner = ownerOf(views, tenant);
      if (owner !== undefined) {
        if (this.operations.get(tenant)?.open !== true) this.#lost.delete(tenant);
        this.#saw(tenant, owner.lease(tenant)?.epoch ?? 0, owner.cell);
      }
      // Between release and activation the cell that is ready for it must have all of it.
      if (owner === undefined && tenant === nobodys) continue;
      const keeper = owner ?? views.find((view) => view.serves && view.lease(tenant)?.state === "ready");
      if (keeper !== undefined) this.#checkWrites(tenant, keeper);
      else if (views.every(({ serves }) => serves))
        assert.ok(this.#lost.has(tenant), `I4: nobody owns ${tenant}, and nobody may take it`);
    }
  }

  /** I4: to a lease of a life before nothing happens but by the registry's word. (A freeze ends by itself.) */
  #checkFormer({ cell, former }: CellView): void {
    for (const { tenant, state, epoch } of former) {
      const was = this.#restored.get(cell)?.get(tenant);
      const thawed = was?.state === "frozen" && state === "active";
      assert.ok(
        was?.epoch === epoch && (was.state === state || thawed),
        `I4: ${tenant} became ${state} in a restored cell`,
      );
    }
  }

  #checkWrites(tenant: TenantId, keeper: CellView): void {
    const there = keeper.notes(tenant);
    assert.equal(new Set(there).size, there.length, `I2: a write of ${tenant} is there twice`);
    const acknowledged = this.#acknowledged.get(tenant) ?? new Set();
    const uncertain = this.#uncertain.get(tenant) ?? new Set();
    const missing = [...acknowledged].filter((note) => !there.includes(note));
    assert.deepEqual(missing, [], `I2: acknowledged writes of ${tenant} are missing at ${keeper.cell.id}`);
    const strange = there.filter((note) => !acknowledged.has(note) && !uncertain.has(note));
    assert.deepEqual(strange, [], `I8: ${tenant} has rows that it never wrote`);
  }

  /** I3: an epoch has one owner for ever, and none goes back. */
  #saw(tenant: TenantId, epoch: number, cell: LeaseCell): void {
    const highest = this.#highest.get(tenant) ?? 0;
    assert.ok(epoch >= highest, `I3: ${tenant} went back from epoch ${highest} to ${epoch}`);
    this.#highest.set(tenant, epoch);
    const key = `${tenant}/${epoch}`;
    const before = this.#owners.get(key) ?? cell;
    assert.equal(before.id, cell.id, `I1: two cells wrote for ${tenant} at epoch ${epoch}`);
    this.#owners.set(key, cell);
  }

  #forgive(tenant: TenantId): void {
    const acknowledged = this.#acknowledged.get(tenant) ?? new Set();
    for (const note of acknowledged) this.#uncertain.get(tenant)?.add(note);
    acknowledged.clear();
    this.#lost.add(tenant);
  }
}

/** The cell that owns the tenant and serves it. More than one is what must never be (I1). */
function ownerOf(views: readonly CellView[], tenant: TenantId): CellView | undefined {
  const owners = views.filter(
    (view) => view.serves && ["active", "frozen"].includes(view.lease(tenant)?.state ?? "none"),
  );
  assert.ok(owners.length <= 1, `I1: ${owners.map(({ cell }) => cell.id).join(" and ")} own ${tenant}`);
  return owners[0];
}

/** A connection that a crash broke is replaced at the next try; tries are few, because one breaks at most all of a pool. */
export async function patiently<Result>(work: () => Promise<Result>, tries = 12): Promise<Result> {
  for (let left = tries; ; left--) {
    try {
      return await work();
    } catch (error) {
      if (!isDatabaseAway(error) || left === 1) throw error;
    }
  }
}

/** Undefined when writers did not let go in time: it is tried again later. */
export async function unlessBusy<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await patiently(work);
  } catch (error) {
    if (error instanceof CellplaneError && error.code === "lease-busy") return undefined;
    throw error;
  }
}
