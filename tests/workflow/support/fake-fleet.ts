import type { TSchema, Static } from "typebox";
import type { BeforeDeploy, Look, Watch } from "../../../common/contracts/bake.ts";
import type { CalendarWindow } from "../../../common/contracts/calendar.ts";
import type { Slot } from "../../../common/contracts/lease.ts";
import type { CellStatus } from "../../../common/contracts/cell-admin.ts";
import type { Line } from "../../../common/contracts/rollout-records.ts";
import type { Rollout } from "../../../common/contracts/rollout.ts";
import { latencyBoundsMs, type SampleCounter, type Samples } from "../../../common/contracts/samples.ts";
import { CellplaneError } from "../../../common/errors.ts";
import { type CellId, cellId, type ReleaseName, releaseName, tenantId } from "../../../common/ids.ts";
import type { KnownTraffic } from "../../../control-plane/rollout/power.ts";
import { lookOf } from "../../../control-plane/rollout/looks.ts";
import type { PartClient } from "../../../workflows/activities/part-client.ts";
import type { DriverPort, RegistryPort } from "../../../workflows/activities/ports.ts";
import type { Synthetic } from "../../../workflows/activities/synthetic.ts";
import { workflowError } from "../../../workflows/errors.ts";

/** How a release behaves, where it is not good. */
export interface Behaviour {
  /** Share of requests that fail, told apart by counting, not by chance. */
  readonly failsEvery?: number;
  readonly neverReady?: boolean;
  readonly migrationFails?: boolean;
  /** Its journey fails from its first migration that is run on, or always. */
  readonly journeyFails?: "always" | "after-migration";
}

interface KeptWatch {
  readonly watch: Omit<Watch, "looks">;
  readonly looks: Map<number, Look>;
  last: Readonly<Record<string, Samples>>;
}

interface FakeCell {
  liveSlot: Slot;
  readonly slots: Record<Slot, ReleaseName | null>;
}

export const digest = "0".repeat(64);

/** Cells, a router and a registry in memory, behind the ports of the activities. Everything that was done to them is in `log`. */
export class FakeFleet {
  readonly log: string[] = [];
  readonly saved: Rollout[] = [];
  readonly behaviours: Record<string, Behaviour> = {};
  readonly quarantined = new Map<string, string>();
  readonly claims = new Map<CellId, string>();
  currentRelease: ReleaseName | null = null;
  /** While false, the router answers nobody. */
  routerAnswers = true;
  /** While false, synthetic requests do not arrive. */
  loadArrives = true;
  /** Called before each step of a driver; may throw, to stand for a worker or a cell that dies there. */
  beforeStep: (step: string) => void = () => undefined;
  /** Awaited before each step of a driver. */
  holdBefore: (step: string) => Promise<void> = async () => undefined;
  /** How often cells were asked for. */
  claimsAsked = 0;
  /** Called before the registry says whether an operation holds a cell. */
  beforeClaimed: (cell: CellId) => void = () => undefined;
  /** A cell in which no release can be installed any more. */
  broken: CellId | null = null;
  /** A cell whose live slot is not ready. */
  unhealthy: string | null = null;
  /** A cell at which every third request to the new release fails. */
  badAt: string | null = null;
  readonly maintenance: Record<string, CalendarWindow[]> = {};
  /** So many looks at a cell find it not ready. */
  looksUntilReady = 0;
  /** So many writes of the rollout fail. */
  registryFails = 0;
  /** Whether the line is stopped, as the registry has it. */
  line: Line = { stopped: false, by: null, reason: null, since: null };
  /** Whether the release that comes brings a migration. */
  migrates = false;
  /** So many looks cannot be written down. */
  looksFail = 0;
  readonly #cells = new Map<CellId, FakeCell>();
  /** Tokens as the registry gave them, and the highest that each cell was shown. */
  readonly #tokens = new Map<CellId, number>();
  readonly #shown = new Map<CellId, number>();
  readonly #counters = new Map<string, SampleCounter>();
  readonly #watches = new Map<string, KeptWatch>();
  /** What planning knows of the customers' traffic, and the judge of that before a deploy. */
  traffic: KnownTraffic[] = [];
  before: BeforeDeploy[] = [];
  #sent = 0;
  #readAt = Date.now();

  constructor(cells: number, release: string) {
    for (let n = 1; n <= cells; n += 1) {
      this.#cells.set(cellId(`cell-${n}`), { liveSlot: "a", slots: { a: releaseName(release), b: null } });
    }
  }

  get cellIds(): readonly CellId[] {
    return [...this.#cells.keys()];
  }

  /** Release of each cell's live slot. */
  get live(): Record<string, ReleaseName | null> {
    return Object.fromEntries([...this.#cells].map(([id, cell]) => [id, cell.slots[cell.liveSlot]]));
  }

  /** The cell of the first wave. */
  get canary(): CellId {
    return cellId("cell-1");
  }

  /** A cell that comes during a rollout, with the release that new ones get. */
  addCell(id: string, release: string): void {
    this.#cells.set(cellId(id), { liveSlot: "a", slots: { a: releaseName(release), b: null } });
  }

  /** A cell that is retired during a rollout. */
  removeCell(id: string): void {
    this.#cells.delete(cellId(id));
  }

  /** A switch that took effect although its answer was lost. */
  switchUnseen(id: string, to: Slot): void {
    this.#cell(cellId(id)).liveSlot = to;
  }

  /** How many looks each watch has, in the order in which they were opened. */
  get looks(): readonly { readonly purpose: string; readonly wave: number; readonly looks: number }[] {
    return [...this.#watches.values()].map(({ watch: { purpose, wave }, looks }) => ({
      purpose,
      wave,
      looks: looks.size,
    }));
  }

  /** Releases that run beside a live one. */
  get besides(): readonly string[] {
    return [...this.#cells].flatMap(([id, cell]) =>
      cell.slots[other(cell.liveSlot)] === null ? [] : `${id} ${cell.slots[other(cell.liveSlot)]}`,
    );
  }

  get last(): Rollout {
    const last = this.saved.at(-1);
    if (last === undefined) throw new Error("nothing was recorded");
    return last;
  }

  readonly driver: DriverPort = {
    status: async (id) => {
      const cell = this.#cell(id);
      this.looksUntilReady = Math.max(0, this.looksUntilReady - 1);
      const report = (slot: Slot) => {
        const release = cell.slots[slot];
        const ready =
          release !== null &&
          this.#of(release).neverReady !== true &&
          this.looksUntilReady === 0 &&
          id !== this.unhealthy;
        return {
          release,
          digest: release === null ? null : digest,
          ready,
          problems: ready ? [] : ["the database does not answer"],
        };
      };
      return { liveSlot: cell.liveSlot, claim: 0, slots: { a: report("a"), b: report("b") } };
    },
    installRelease: async (id, release, claim) => {
      if (id === this.broken) throw new CellplaneError("release-corrupt", conflict, "the disk is gone");
      await this.#step(`install ${id} ${release.name}`, id, claim);
    },
    migrate: async (id, release, claim) => {
      await this.#step(`migrate ${id} ${release.name}`, id, claim);
      if (this.#of(release.name).migrationFails === true) throw migrationFailed();
    },
    startRelease: async (id, slot, release, claim) => {
      await this.#step(`start ${id} ${slot} ${release.name}`, id, claim);
      this.#cell(id).slots[slot] = release.name;
    },
    switchSlot: async (id, from, to, claim) => {
      await this.#step(`switch ${id} ${from}→${to}`, id, claim);
      this.#cell(id).liveSlot = to;
    },
    drain: async (id, slot) => await this.#step(`drain ${id} ${slot}`),
    stopRelease: async (id, slot, claim) => {
      await this.#step(`stop ${id} ${slot}`, id, claim);
      this.#cell(id).slots[slot] = null;
    },
  };

  readonly registry: RegistryPort = {
    cell: async (id) => {
      const { liveSlot, slots } = this.#cell(id);
      const at = (slot: Slot) => ({
        url: `http://${id}.${slot}`,
        adminUrl: `http://${id}.${slot}`,
        workerUrl: `http://${id}.${slot}`,
      });
      return { id, slots: { a: at("a"), b: at("b") }, liveSlot, release: slots[liveSlot] };
    },
    cells: async () => [...this.#cells].map(([id, { liveSlot, slots }]) => ({ id, release: slots[liveSlot] })),
    routers: async () => [{ id: "router-1", url: "http://router-1" }],
    release: async (name) => ({
      name,
      digest,
      state: this.quarantined.has(name) ? "quarantined" : "available",
      manifest: {},
    }),
    syntheticTenant: async (cell) => ({
      id: tenantId("00000000-0000-7000-8000-000000000000"),
      host: `synthetic-${cell}.cellplane.localhost`,
      epoch: 1,
    }),
    ensureKey: async () => undefined,
    takeClaims: async (operation, cells) => {
      this.claimsAsked += 1;
      const held = cells.find((cell) => (this.claims.get(cell) ?? operation) !== operation);
      if (held !== undefined) throw new CellplaneError("claim-taken", conflict, `${held} is claimed.`);
      for (const cell of cells) this.claims.set(cell, operation);
    },
    claimToken: async (operation, cell) => {
      this.beforeClaimed(cell);
      return this.claims.get(cell) === operation ? (this.#tokens.get(cell) ?? 1) : null;
    },
    heldCells: async (operation) => [...this.claims].flatMap(([cell, holder]) => (holder === operation ? [cell] : [])),
    raiseClaim: async (operation, cell) => {
      if (this.claims.get(cell) !== operation) return null;
      this.#tokens.set(cell, (this.#tokens.get(cell) ?? 1) + 1);
      return this.#tokens.get(cell) ?? 1;
    },
    dropClaims: async (operation) => {
      for (const [cell, holder] of this.claims) if (holder === operation) this.claims.delete(cell);
    },
    saveRollout: async (rollout) => {
      if (this.registryFails > 0) {
        this.registryFails -= 1;
        throw new Error("the registry does not answer");
      }
      if (rollout.revision > (this.saved.at(-1)?.revision ?? 0)) this.saved.push(rollout);
    },
    quarantine: async (release, reason) => void this.quarantined.set(release, reason),
    liftQuarantine: async (release) => void this.quarantined.delete(release),
    line: async () => this.line,
    publishLive: async (cell, slot, release) => void this.log.push(`publish ${cell} ${slot} ${release}`),
    setCurrentRelease: async (release) => {
      this.currentRelease = release;
    },
    openWatch: async (operation, { deployedAt: _deployedAt, controls, powerless, earlier, ...watch }) => {
      const key = `${operation} ${watch.number}`;
      if (this.#watches.has(key)) return;
      const comparison = this.before.length === 0 ? null : { controls: [...controls], before: this.before, powerless };
      const compared = earlier.map((one) => ({ ...one, comparison }));
      this.#watches.set(key, { watch: { ...watch, comparison, earlier: compared }, looks: new Map(), last: {} });
    },
    addLook: async ({ operation, number, look }, seen, time, staleSeconds) => {
      if (this.looksFail > 0) {
        this.looksFail -= 1;
        throw new Error("the registry does not answer");
      }
      const kept = this.#watches.get(`${operation} ${number}`);
      if (kept === undefined) throw new Error(`no watch ${number}`);
      const told = kept.looks.get(look);
      if (told !== undefined) return told;
      const made = lookOf(seen, kept.last, time, staleSeconds);
      kept.looks.set(look, made.look);
      kept.last = made.last;
      return made.look;
    },
    watch: async (operation, number, before = Infinity) => {
      const kept = this.#watches.get(`${operation} ${number}`);
      if (kept === undefined) throw new Error(`no watch ${number}`);
      const looks = [...kept.looks].filter(([look]) => look < before).map(([, look]) => look);
      return structuredClone({ ...kept.watch, looks });
    },
  };

  readonly synthetic: Synthetic = {
    ensureKey: async () => undefined,
    journeyAtSlot: async (id, slot) => {
      const release = this.#cell(id).slots[slot];
      const fails = release === null ? "always" : this.#of(release).journeyFails;
      const migrated = this.log.some((step) => step.startsWith(`migrate ${id}`));
      if (fails === "always" || (fails === "after-migration" && migrated))
        throw workflowError("smoke-failed", `Slot ${slot} of ${id} does not serve.`);
    },
    load: async (id, _release, requests) => {
      if (!this.loadArrives) return { sent: requests, failed: requests };
      for (let n = 0; n < requests; n += 1) this.#count(id, true);
      return { sent: requests, failed: 0 };
    },
  };

  readonly parts: PartClient = {
    get: async <Schema extends TSchema>(url: string) => (await this.#answer(url)) as Static<Schema>,
  };

  /** Customers' requests that reach a cell. */
  addTraffic(id: CellId, requests: number): void {
    for (let n = 0; n < requests; n += 1) this.#count(id, false);
  }

  async #answer(url: string): Promise<Samples | CellStatus> {
    const { hostname } = new URL(url);
    if (hostname !== "router-1") return this.#status(...(hostname.split(".") as [CellId, Slot]));
    if (!this.routerAnswers) throw workflowError("part-unreachable", "The router does not answer.");
    return {
      source: "router-1",
      instance: "one",
      // No two readings at the same time, however fast they are asked for.
      at: new Date((this.#readAt = Math.max(Date.now(), this.#readAt + 1))).toISOString(),
      counters: [...this.#counters.values()],
    };
  }

  #status(id: CellId, slot: Slot): CellStatus {
    const { liveSlot, slots } = this.#cell(id);
    const release = slots[slot];
    if (release === null) throw workflowError("part-unreachable", `Slot ${slot} of ${id} does not answer.`);
    return {
      cell: id,
      slot,
      liveSlot,
      phase: slot === liveSlot ? "live" : "standby",
      release,
      digest,
      ready: true,
      problems: [],
      incarnation: "1",
      schema: { kit: 1, app: 1 },
      tenants: 2,
      connections: 0,
      inFlight: 0,
      queue: { outbox: 0, oldestSeconds: 0, dead: 0 },
      fleetGeneration: null,
      startedAt: new Date(0).toISOString(),
    };
  }

  #count(id: CellId, synthetic: boolean): void {
    const { liveSlot, slots } = this.#cell(id);
    const release = slots[liveSlot];
    const key = `${id} ${release} ${synthetic}`;
    const before = this.#counters.get(key) ?? {
      cell: id,
      release,
      synthetic,
      requests: 0,
      errors: 0,
      latency: latencyBoundsMs.map(() => 0).concat(0),
    };
    const bad = id === this.badAt && release !== null && release !== "pulse@1";
    const every = release === null ? 1 : bad ? 3 : this.#of(release).failsEvery;
    this.#sent += 1;
    const failed = every !== undefined && this.#sent % every === 0;
    const latency = before.latency.with(4, (before.latency[4] ?? 0) + 1);
    this.#counters.set(key, {
      ...before,
      requests: before.requests + 1,
      errors: before.errors + (failed ? 1 : 0),
      latency,
    });
  }

  async #step(step: string, id?: CellId, claim?: number): Promise<void> {
    await this.holdBefore(step);
    if (id !== undefined && claim !== undefined) {
      if (claim < (this.#shown.get(id) ?? 0))
        throw new CellplaneError("claim-outranked", conflict, `${step}: outranked`);
      this.#shown.set(id, claim);
    }
    this.beforeStep(step);
    this.log.push(step);
  }

  #cell(id: CellId): FakeCell {
    const cell = this.#cells.get(id);
    if (cell === undefined) throw new Error(`no cell ${id}`);
    return cell;
  }

  #of(release: ReleaseName): Behaviour {
    return this.behaviours[release] ?? {};
  }
}

const conflict = { status: 409, title: "Claimed", todo: "Wait." };

function migrationFailed(): CellplaneError {
  return new CellplaneError(
    "migration-failed",
    { status: 500, title: "The migrations did not run", todo: "Mend it." },
    "0002-x.expand.sql: syntax error",
  );
}

function other(slot: Slot): Slot {
  return slot === "a" ? "b" : "a";
}
