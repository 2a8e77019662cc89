import { systemClock, type Clock } from "../../common/clock.ts";
import type { Look, Watch } from "../../common/contracts/bake.ts";
import type { Slot } from "../../common/contracts/lease.ts";
import type { Release } from "../../common/contracts/release.ts";
import type { Line } from "../../common/contracts/rollout-records.ts";
import type { Rollout } from "../../common/contracts/rollout.ts";
import { keyId, type CellId, type OperationId, type ReleaseName, type TenantId } from "../../common/ids.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { uuidv7 } from "../../common/uuid.ts";
import { fail } from "../errors.ts";
import { keyUpdate } from "../fleet/rows.ts";
import type { LookTime, Seen, WatchRequest } from "../rollout/looks.ts";
import { publishLive } from "./cells.ts";
import { findCell, listCells, type CellRecord } from "./cells.store.ts";
import { change } from "./change.ts";
import { holdCells } from "./claims.ts";
import { claimsOf, claimToken, deleteClaims, raiseClaim } from "./claims.store.ts";
import { insertKey, liveKeys } from "./keys.store.ts";
import { listParts } from "./parts.store.ts";
import { showLine } from "./line.ts";
import { liftQuarantine, quarantineRelease } from "./releases.ts";
import { findRelease } from "./releases.store.ts";
import { refuseOver, saveRollout, showRollout } from "./rollouts.ts";
import { readSettings, writeCurrentRelease } from "./settings.store.ts";
import { findSynthetic } from "./tenants.store.ts";
import { addLook, openWatch, readWatch } from "./watches.ts";

/** What the workflow worker reads from the registry and writes to it. Every method may be repeated. */
export interface Registry {
  /** @throws unknown-cell */
  cell(id: CellId): Promise<CellRecord>;
  cells(): Promise<CellRecord[]>;
  /** Part ids and admin addresses of the routers. */
  routers(): Promise<{ readonly id: string; readonly url: string }[]>;
  /** @throws unknown-release */
  release(name: ReleaseName): Promise<Release>;
  /** The cell's own tenant. @throws unknown-cell */
  syntheticTenant(cell: CellId): Promise<{ readonly id: TenantId; readonly host: string; readonly epoch: number }>;
  /** Makes the key with this digest valid for the tenant; does nothing where it is. */
  ensureKey(tenant: TenantId, digest: string): Promise<void>;
  /**
   * Takes the cells exclusively for the operation, all or none; does nothing where it has them. Each token is above any of before, and above `seen`, what
   * the cell itself has seen. @throws claim-taken; rollout-over for a rollout that has ended, or was given up
   */
  takeClaims(operation: OperationId, cells: readonly CellId[], seen?: ReadonlyMap<CellId, number>): Promise<void>;
  /** The token of the operation's claim on the cell; null where it holds none. */
  claimToken(operation: OperationId, cell: CellId): Promise<number | null>;
  /** All cells that the operation holds. */
  heldCells(operation: OperationId): Promise<CellId[]>;
  /** Gives the operation's claim on a cell a higher token, which it then answers; null where it holds none. */
  raiseClaim(operation: OperationId, cell: CellId): Promise<number | null>;
  dropClaims(operation: OperationId): Promise<void>;
  /** @throws unknown-rollout */
  rollout(id: OperationId | "latest"): Promise<Rollout>;
  /** Writes the rollout as it is now; an equal or older revision changes nothing. */
  saveRollout(rollout: Rollout): Promise<void>;
  quarantine(release: ReleaseName, reason: string): Promise<void>;
  /** Takes a quarantine back; does nothing where there is none. */
  liftQuarantine(release: ReleaseName, reason: string): Promise<void>;
  /** Whether the line is stopped, by whom and why. */
  line(): Promise<Line>;
  /** Publishes the cell's live slot and release in the fleet document. */
  publishLive(cell: CellId, slot: Slot, release: ReleaseName): Promise<void>;
  /** After a completed rollout: what new and returning cells get. */
  setCurrentRelease(release: ReleaseName): Promise<void>;
  currentRelease(): Promise<ReleaseName | null>;
  /** Opens a watch over a wave, with what is known of the traffic before it; does nothing where it is open. */
  openWatch(operation: OperationId, request: WatchRequest): Promise<void>;
  /** Adds a look, and answers it as it is kept; one that is told twice is written once. @throws unknown-watch */
  addLook(
    of: { readonly operation: OperationId; readonly number: number; readonly look: number },
    seen: Seen,
    time: LookTime,
    staleSeconds: number,
  ): Promise<Look>;
  /** A watch with its looks: all, or those before the numbered one. @throws unknown-watch */
  watch(operation: OperationId, number: number, before?: number): Promise<Watch>;
}

/** The registry as the workflow worker uses it. */
export function createRegistry(pool: Pool, clock: Clock = systemClock): Registry {
  const wiring = { pool, clock };
  const cause = { actor: "worker" };
  return {
    async cell(id) {
      const cell = await findCell(pool, id);
      if (cell === null) throw fail("unknown-cell", `There is no cell ${id}.`);
      return cell;
    },
    cells: () => listCells(pool),
    async routers() {
      const parts = await listParts(pool);
      return parts.flatMap(({ id, role, url }) => (role === "router" && url !== null ? [{ id, url }] : []));
    },
    async release(name) {
      const release = await findRelease(pool, name);
      if (release === null) throw fail("unknown-release", `There is no release ${name}.`);
      return release;
    },
    async syntheticTenant(cell) {
      const [tenant, { baseDomain }] = await Promise.all([findSynthetic(pool, cell), readSettings(pool)]);
      if (tenant === null) throw fail("unknown-cell", `There is no cell ${cell}.`);
      return { id: tenant.id, host: `${tenant.slug}.${baseDomain}`, epoch: tenant.epoch };
    },
    async ensureKey(tenant, digest) {
      const known = await liveKeys(pool, [tenant]);
      if (known.some((key) => key.digest === digest)) return;
      await change(wiring, cause, async (step) => {
        const id = keyId(uuidv7());
        await insertKey(step.tx, { id, tenant, digest });
        step.publish(keyUpdate({ digest, id, tenant }));
        step.audit("key.create", `${tenant}/${id}`);
      });
    },
    async takeClaims(operation, cells, seen = new Map()) {
      await change(wiring, cause, async (step) => {
        await refuseOver(step, operation);
        await holdCells(step, { operation, cells, mode: "exclusive", seen });
      });
    },
    claimToken: (operation, cell) => claimToken(pool, operation, cell),
    async heldCells(operation) {
      return (await claimsOf(pool, operation)).map(({ cell }) => cell);
    },
    raiseClaim: (operation, cell) => raiseClaim(pool, operation, cell),
    async dropClaims(operation) {
      await deleteClaims(pool, operation);
    },
    rollout: (id) => showRollout(pool, id),
    saveRollout: (rollout) => saveRollout(wiring, rollout),
    quarantine: (release, reason) => quarantineRelease(wiring, cause, release, reason),
    liftQuarantine: (release, reason) => liftQuarantine(wiring, cause, release, reason),
    line: () => showLine(pool),
    publishLive: (cell, slot, release) => publishLive(wiring, cause, cell, slot, release),
    setCurrentRelease: (release) => writeCurrentRelease(pool, release),
    async currentRelease() {
      return (await readSettings(pool)).currentRelease;
    },
    openWatch: (operation, request) => openWatch(pool, operation, request),
    addLook: (of, seen, time, staleSeconds) => addLook(pool, of, seen, time, staleSeconds),
    watch: (operation, number, before) => readWatch(pool, operation, number, before),
  };
}
