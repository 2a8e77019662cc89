import type { CellCheck } from "../../common/contracts/bake.ts";
import { CellStatus } from "../../common/contracts/cell-admin.ts";
import { type Slot, slots } from "../../common/contracts/lease.ts";
import { Samples } from "../../common/contracts/samples.ts";
import { CellplaneError } from "../../common/errors.ts";
import type { CellId, ReleaseName } from "../../common/ids.ts";
import type { Observation, ObserveInput } from "../definitions/steps.ts";
import { workflowError } from "../errors.ts";
import type { PartClient } from "./part-client.ts";
import type { RegistryPort } from "./ports.ts";
import type { Synthetic } from "./synthetic.ts";

export interface ObserveDeps {
  readonly registry: RegistryPort;
  readonly parts: PartClient;
  readonly synthetic: Synthetic;
}

/** Adds synthetic load, then reads every router's counters and checks every cell of the wave. What does not answer is reported as such. */
export async function observe(deps: ObserveDeps, input: ObserveInput): Promise<Observation> {
  await Promise.all(
    input.load.map(async ({ cell, requests }) => {
      const release = input.cells.find((wanted) => wanted.cell === cell)?.release;
      if (release !== undefined) await deps.synthetic.load(cell, release, requests, input.overMs);
    }),
  );
  const [routers, checks] = await Promise.all([
    deps.registry.routers(),
    Promise.all(input.cells.map(({ cell, release }) => checkCell(deps, cell, release))),
  ]);
  if (routers.length === 0) throw workflowError("no-router", "There is nobody to ask for samples.");
  const cells = new Set<string>([...input.cells.map(({ cell }) => cell), ...(input.controls ?? [])]);
  const heard = await Promise.all(routers.map((router) => readRouter(deps.parts, router, cells)));
  return {
    checks,
    readings: heard.flatMap(({ reading }) => reading ?? []),
    sources: heard.flatMap(({ id, reading }) => (reading === null ? [] : id)),
    missing: heard.flatMap(({ id, reading }) => (reading === null ? id : [])),
  };
}

/** A router's counters of the wave's cells: all that the verdict needs, and no more in the workflow's history than that. */
async function readRouter(
  parts: PartClient,
  router: { readonly id: string; readonly url: string },
  cells: ReadonlySet<string>,
): Promise<{ readonly id: string; readonly reading: Samples | null }> {
  const samples = await orNull(parts.get(`${router.url}/v1/samples`, router.id, Samples));
  if (samples === null) return { id: router.id, reading: null };
  const counters = samples.counters.filter((counter) => cells.has(counter.cell));
  return { id: router.id, reading: { ...samples, source: router.id, counters } };
}

/** The hard checks of a cell: it answers, is ready, reports its release, and serves the synthetic tenant's journey at its live slot. */
async function checkCell(deps: ObserveDeps, cell: CellId, wanted: ReleaseName): Promise<CellCheck> {
  const registered = await deps.registry.cell(cell);
  const status = await liveStatus(deps.parts, cell, registered.liveSlot, registered.slots);
  if (status === null)
    return { cell, answered: false, ready: false, release: null, problems: ["its admin API does not answer"] };
  const { liveSlot, release, ready, problems } = status;
  const queue = { oldestSeconds: status.queue.oldestSeconds, dead: status.queue.dead };
  if (!ready || release !== wanted) return { cell, answered: true, ready, release, problems, queue };
  try {
    await deps.synthetic.journeyAtSlot(cell, liveSlot, wanted);
    return { cell, answered: true, ready, release, problems, queue };
  } catch (error) {
    if (!(error instanceof CellplaneError)) throw error;
    return { cell, answered: true, ready: false, release, problems: [error.message], queue };
  }
}

/** The status of the slot that the cell itself calls live; the registry's word only says whom to ask first. */
async function liveStatus(
  parts: PartClient,
  cell: CellId,
  hint: Slot,
  addresses: Readonly<Record<Slot, { readonly adminUrl: string }>>,
): Promise<CellStatus | null> {
  for (const slot of slots.toSorted((a) => (a === hint ? -1 : 1))) {
    const status = await orNull(parts.get(`${addresses[slot].adminUrl}/v1/status`, cell, CellStatus));
    if (status !== null && status.slot === status.liveSlot) return status;
  }
  return null;
}

async function orNull<Value>(asked: Promise<Value>): Promise<Value | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof CellplaneError) return null;
    throw error;
  }
}
