import type { MigrationClass } from "../../../common/contracts/release.ts";
import type { Slot, SlotAddresses } from "../../../common/contracts/lease.ts";
import type { CellId } from "../../../common/ids.ts";
import { digestOf, sha256 } from "../../../common/canonical.ts";
import type {
  CellAddresses,
  CellBackup,
  CellDriver,
  CellPlan,
  CellReport,
  CellRestore,
  ReleaseRef,
  ReleaseSource,
  SlotReport,
} from "../driver.ts";
import { driverError } from "../errors.ts";

/** One call, as it was made: what a plan would do. */
export interface RecordedCall {
  readonly method: keyof CellDriver;
  readonly args: readonly unknown[];
}

/** Longest record; a plan of a thousand cells takes some ten thousand calls. */
const mostCalls = 100_000;

/** A model reads no clock: whatever it backs up was so from the beginning of time. */
const modelBackupsFrom = new Date(0);

interface ModelCell {
  readonly plan: CellPlan;
  readonly installed: Set<string>;
  readonly slots: Record<Slot, ReleaseRef | null>;
  liveSlot: Slot;
  claim: number;
  migrated: boolean;
  backups: number;
  restores: number;
  running: boolean;
  fenced: boolean;
}

/**
 * Does nothing and records it: cells are a model in memory that follows the same rules as real ones, so that a plan can be tried
 * to its end and shows what it would do.
 */
export class DryRunDriver implements CellDriver {
  readonly calls: RecordedCall[] = [];
  readonly #cells = new Map<CellId, ModelCell>();
  readonly #releases: ReleaseSource;

  constructor(releases: ReleaseSource) {
    this.#releases = releases;
  }

  async provision(plan: CellPlan, claim?: number): Promise<CellAddresses> {
    this.#note("provision", plan, ...given(claim));
    const known = this.#cells.get(plan.id);
    if (known !== undefined) admit(known, claim);
    if (known?.fenced === true) throw driverError("cell-fenced", `${plan.id} is fenced.`);
    if (known === undefined) {
      this.#cells.set(plan.id, {
        plan,
        installed: new Set(),
        slots: { a: null, b: null },
        liveSlot: "a",
        claim: claim ?? 0,
        migrated: false,
        backups: 0,
        restores: 0,
        running: true,
        fenced: false,
      });
    }
    return { a: addresses(plan.id, "a"), b: addresses(plan.id, "b") };
  }

  async installRelease(cell: CellId, release: ReleaseRef, claim?: number): Promise<void> {
    this.#note("installRelease", cell, release, ...given(claim));
    admit(this.#cell(cell), claim);
    const model = this.#cell(cell);
    if (model.installed.has(release.digest)) return;
    const manifest = await this.#releases.manifest(release);
    if (digestOf(manifest) !== release.digest)
      throw driverError("release-corrupt", `The manifest of ${release.name} is not the one named ${release.digest}.`);
    for (const file of manifest.files) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of await this.#releases.read(file.digest)) chunks.push(chunk);
      if (sha256(Buffer.concat(chunks)) !== file.digest)
        throw driverError("release-corrupt", `${file.path} is not what its digest says.`);
    }
    model.installed.add(release.digest);
  }

  async migrate(cell: CellId, release: ReleaseRef, claim?: number, also?: readonly MigrationClass[]): Promise<void> {
    this.#note("migrate", cell, release, ...given(claim), ...(also ?? []));
    admit(this.#cell(cell), claim);
    const model = this.#withRelease(cell, release);
    if (!model.running) throw driverError("process-unhealthy", `${cell} is down.`);
    model.migrated = true;
  }

  async startRelease(cell: CellId, slot: Slot, release: ReleaseRef, claim?: number): Promise<void> {
    this.#note("startRelease", cell, slot, release, ...given(claim));
    admit(this.#cell(cell), claim);
    const model = this.#cell(cell);
    if (model.fenced) throw driverError("cell-fenced", `${cell} is fenced.`);
    const there = model.slots[slot];
    if (there !== null && there.digest !== release.digest)
      throw driverError("slot-taken", `Slot ${slot} of ${cell} has ${there.name}.`);
    this.#withRelease(cell, release);
    model.slots[slot] = release;
  }

  async switchSlot(cell: CellId, from: Slot, to: Slot, claim?: number): Promise<void> {
    this.#note("switchSlot", cell, from, to, ...given(claim));
    admit(this.#cell(cell), claim);
    const model = this.#cell(cell);
    if (model.slots[to] === null) throw driverError("slot-empty", `Nothing is in slot ${to} of ${cell}.`);
    if (!model.running) throw driverError("cell-refused", `${cell} is down.`);
    if (model.liveSlot !== to && model.liveSlot !== from)
      throw driverError("cell-refused", `Slot ${model.liveSlot} is live, not ${from}.`);
    model.liveSlot = to;
  }

  async drain(cell: CellId, slot: Slot): Promise<void> {
    this.#note("drain", cell, slot);
    refuseLive(this.#cell(cell), slot);
  }

  async stopRelease(cell: CellId, slot: Slot, claim?: number): Promise<void> {
    this.#note("stopRelease", cell, slot, ...given(claim));
    admit(this.#cell(cell), claim);
    const model = this.#cell(cell);
    if (model.slots[slot] === null) return;
    refuseLive(model, slot);
    model.slots[slot] = null;
  }

  async stop(cell: CellId, claim?: number): Promise<void> {
    this.#note("stop", cell, ...given(claim));
    admit(this.#cell(cell), claim);
    this.#cell(cell).running = false;
  }

  async start(cell: CellId, claim?: number): Promise<void> {
    this.#note("start", cell, ...given(claim));
    admit(this.#cell(cell), claim);
    const model = this.#cell(cell);
    if (model.fenced) throw driverError("cell-fenced", `${cell} is fenced.`);
    model.running = true;
  }

  async fence(cell: CellId, claim?: number): Promise<void> {
    this.#note("fence", cell, ...given(claim));
    admit(this.#cell(cell), claim);
    const model = this.#cell(cell);
    model.fenced = true;
    model.running = false;
  }

  async backup(cell: CellId, claim?: number): Promise<CellBackup> {
    this.#note("backup", cell, ...given(claim));
    const model = this.#cell(cell);
    admit(model, claim);
    if (!model.running) throw driverError("backup-failed", `${cell} is down.`);
    model.backups += 1;
    return { id: `${cell}-${model.backups}`, from: modelBackupsFrom, tenants: 0, rows: 0 };
  }

  async restore(cell: CellId, until: Date | null, claim?: number): Promise<CellRestore> {
    this.#note("restore", cell, until, ...given(claim));
    const model = this.#cell(cell);
    admit(model, claim);
    if (model.fenced) throw driverError("cell-fenced", `${cell} is fenced.`);
    const isBefore = until !== null && until < modelBackupsFrom;
    if (model.backups === 0 || isBefore) throw driverError("no-backup", `${cell} has no backup of that moment.`);
    model.restores += 1;
    model.running = true;
    const through = (until ?? new Date(0)).toISOString();
    const incarnation = `${cell}-life-${model.restores}`;
    return { backup: `${cell}-${model.backups}`, through, incarnation, restoreMs: 0, tenants: [] };
  }

  async status(cell: CellId): Promise<CellReport> {
    this.#note("status", cell);
    const model = this.#cell(cell);
    return {
      liveSlot: model.liveSlot,
      fenced: model.fenced,
      claim: model.claim,
      slots: { a: slotReport(model, "a"), b: slotReport(model, "b") },
    };
  }

  async retire(cell: CellId, claim?: number): Promise<void> {
    this.#note("retire", cell, ...given(claim));
    const known = this.#cells.get(cell);
    if (known !== undefined) admit(known, claim);
    this.#cells.delete(cell);
  }

  #note(method: keyof CellDriver, ...args: unknown[]): void {
    if (this.calls.length >= mostCalls) throw new RangeError(`a dry run records at most ${mostCalls} calls`);
    this.calls.push({ method, args });
  }

  #cell(cell: CellId): ModelCell {
    const model = this.#cells.get(cell);
    if (model === undefined) throw driverError("unknown-cell", `There is no cell ${cell} here.`);
    return model;
  }

  #withRelease(cell: CellId, release: ReleaseRef): ModelCell {
    const model = this.#cell(cell);
    if (!model.installed.has(release.digest))
      throw driverError("release-missing", `${release.name} is not installed in the cell.`);
    return model;
  }
}

/** A claim is recorded where one came. */
const given = (claim: number | undefined): readonly number[] => (claim === undefined ? [] : [claim]);

function admit(model: ModelCell, claim: number | undefined): void {
  if (claim === undefined) return;
  if (claim < model.claim)
    throw driverError("claim-outranked", `Claim ${claim} on ${model.plan.id} is below ${model.claim}.`);
  model.claim = claim;
}

function slotReport(model: ModelCell, slot: Slot): SlotReport {
  const release = model.slots[slot];
  if (release === null) return { release: null, digest: null, ready: false, problems: [] };
  if (!model.running) return { release: release.name, digest: null, ready: false, problems: ["it does not answer"] };
  const problems = model.migrated ? [] : ["the database is not provisioned"];
  return { release: release.name, digest: release.digest, ready: problems.length === 0, problems };
}

function refuseLive(model: ModelCell, slot: Slot): void {
  if (model.liveSlot === slot) throw driverError("slot-live", `Slot ${slot} is the live one of ${model.plan.id}.`);
}

function addresses(cell: CellId, slot: Slot): SlotAddresses {
  const at = (what: string): string => `http://${what}-${slot}.${cell}.invalid`;
  return { url: at("api"), adminUrl: at("admin"), workerUrl: at("worker") };
}
