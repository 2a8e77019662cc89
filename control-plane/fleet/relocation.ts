import { setTimeout as sleep } from "node:timers/promises";
import Type, { type Static } from "typebox";
import Value from "typebox/value";
import type { Clock } from "../../common/clock.ts";
import type { ImportLease } from "../../common/contracts/cell-admin.ts";
import { EpochSchema, oneOf } from "../../common/contracts/ids.ts";
import { leaseStates } from "../../common/contracts/lease.ts";
import { CellplaneError } from "../../common/errors.ts";
import type { CellId } from "../../common/ids.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { fail } from "../errors.ts";
import { findCell, type CellRecord } from "../registry/cells.store.ts";
import type { Cause } from "../registry/change.ts";
import { noteStep, type OpenRelocation } from "../registry/commands.store.ts";
import { arrived, stayed } from "../registry/relocations.ts";
import { findTenant } from "../registry/tenants.store.ts";
import { callCell } from "./cell-call.ts";
import type { PartAnswer, PartClient } from "./part-client.ts";

// A tenant that is restored in another cell: the way of its lease (the rows are the driver's). The owner's release is the one commit; the record that it
// signs lets the destination take the tenant.
//   begun     both cells are held, nothing is asked of them yet     → importing
//   importing the destination takes rows, the source serves on       → released (freeze, ready, release), settled by abort
//   released  the source has given the tenant away: only forward     → settled (destination active, registry follows)
//   settled
// Whoever finds it lying (a command that died, a control plane that did) asks the source what became of it, by the next attempt, and goes on from there.

const timeoutMs = 5_000;
/** Writers that never let go within the lease's own 250 ms; each try leaves them a pause. */
const freezeTries = 20;
const freezePauseMs = 100;
/** A freeze lasts 3 s; on a machine where three are not enough the next call may try again. */
const releaseTries = 3;

/** Of a lease what the steps go by. Other fields are let pass: the cell's kit may be one release newer or older. */
const StepLease = Type.Object({
  state: oneOf(leaseStates),
  epoch: EpochSchema,
  attempt: Type.Integer({ minimum: 0 }),
  suspended: Type.Boolean(),
  reason: Type.Union([Type.String(), Type.Null()]),
  freeze: Type.Union([Type.String(), Type.Null()]),
  releaseRecord: Type.Optional(Type.Union([Type.String(), Type.Null()])),
});
type StepLease = Static<typeof StepLease>;

export interface RelocationWiring {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly parts: PartClient;
}

interface Cells {
  readonly source: CellRecord;
  readonly destination: CellRecord;
}

/**
 * Has the destination take the tenant's rows; the source serves on meanwhile.
 * @returns the step under which they are written
 * @throws source-unreachable, cell-silent, relocation-undone
 */
export async function openImport(
  wiring: RelocationWiring,
  relocation: OpenRelocation,
): Promise<NonNullable<OpenRelocation["step"]>> {
  const { operation, tenant, source } = relocation;
  const cells = await cellsOf(wiring.pool, relocation);
  const held = await takeAttempt(wiring, relocation, cells).catch((error: unknown) => {
    if (error instanceof CellplaneError && error.code === "cell-silent")
      throw fail("source-unreachable", error.message, { cause: error });
    throw error;
  });
  if (held?.state !== "active") throw undone(`${source} ${held === null ? "does not own it" : `says ${held.state}`}`);
  const step = { epoch: held.epoch + 1, attempt: held.attempt };
  // Written down first: what has no step was never begun in the destination.
  await noteStep(wiring.pool, operation, step);
  await must(wiring, cells.destination, `/v1/leases/${tenant}/import`, await importOf(wiring, relocation, step));
  return step;
}

async function importOf(
  { pool }: RelocationWiring,
  { operation, source, slug }: OpenRelocation,
  { epoch, attempt }: NonNullable<OpenRelocation["step"]>,
): Promise<ImportLease> {
  const tenant = await findTenant(pool, slug);
  if (tenant === null) throw fail("unknown-tenant", `There is no tenant ${slug}.`);
  const { tier, synthetic } = tenant;
  return { operation, attempt, epoch, source, slug, tier, synthetic };
}

/**
 * Gives the tenant to the destination, whose rows are there: freeze, ready, release, activate; then the registry follows.
 * @throws relocation-undone, source-unreachable, cell-silent: `settle` brings it to an end
 */
export async function handOver(wiring: RelocationWiring, cause: Cause, relocation: OpenRelocation): Promise<void> {
  const { operation, tenant, step } = relocation;
  if (step === null) throw undone("its rows have not been brought");
  const cells = await cellsOf(wiring.pool, relocation);
  const by = { operation, attempt: step.attempt };
  const lease = `/v1/leases/${tenant}`;
  let before: string | null = null;
  for (let tries = 0; tries < releaseTries; tries++) {
    const frozen = await freezePatiently(wiring, cells, lease, by);
    const { freeze, suspended, reason } = frozen;
    if (freeze === null) throw undone("the freeze has no name");
    if (before !== null) {
      const again = await importOf(wiring, relocation, step);
      await must(wiring, cells.destination, `${lease}/import`, { ...again, reopen: before });
    }
    await must(wiring, cells.destination, `${lease}/ready`, { ...by, freeze, suspended, reason });
    before = freeze;
    const { a, b } = cells.destination.slots;
    const wish = { ...by, freeze, destination: cells.destination.id, addresses: { a, b } };
    const answer = await ask(wiring, cells.source, `${lease}/release`, wish);
    const released = leaseIn(answer);
    if (released?.state === "released") return await goForward(wiring, cause, relocation, cells, released);
    if (!isThawed(answer)) throw undone(wordsOf(answer));
  }
  throw undone("the freeze ended each time before the release");
}

/** Brings what was left lying to its end: forward where the tenant was given away, else back. @throws source-unreachable, cell-silent: then it stays open */
export async function settle(wiring: RelocationWiring, cause: Cause, relocation: OpenRelocation): Promise<void> {
  if (relocation.step === null) return await stayed(wiring, cause, relocation);
  const cells = await cellsOf(wiring.pool, relocation);
  const held = await takeAttempt(wiring, relocation, cells);
  if (held?.state === "released") return await goForward(wiring, cause, relocation, cells, held);
  // With the newest number the abort outranks whatever an older try may still say to the destination.
  const attempt = held?.attempt ?? relocation.step.attempt + 1;
  const body = { operation: relocation.operation, attempt };
  await must(wiring, cells.destination, `/v1/leases/${relocation.tenant}/abort`, body);
  await stayed(wiring, cause, relocation);
}

/** After the release there is no way back. A destination that is silent takes the tenant with the first request that a router brings. */
async function goForward(
  wiring: RelocationWiring,
  cause: Cause,
  relocation: OpenRelocation,
  cells: Cells,
  { releaseRecord, epoch }: StepLease,
): Promise<void> {
  await ask(wiring, cells.destination, `/v1/leases/${relocation.tenant}/activate`, { record: releaseRecord });
  await arrived(wiring, cause, relocation, epoch);
}

/** @returns the lease with the operation's next attempt, or as it was given away by it; null where the source has nothing to give. */
async function takeAttempt(
  wiring: RelocationWiring,
  { operation, tenant }: OpenRelocation,
  { source }: Cells,
): Promise<StepLease | null> {
  const answer = await ask(wiring, source, `/v1/leases/${tenant}/attempt`, { operation });
  if (answer.status === 404 || answer.status === 409) return null;
  const lease = leaseIn(answer);
  if (lease === null) throw fail("cell-silent", `${source.id} answered ${wordsOf(answer)}.`);
  return lease;
}

async function freezePatiently(
  wiring: RelocationWiring,
  { source }: Cells,
  lease: string,
  by: object,
): Promise<StepLease> {
  for (let tries = 0; ; tries++) {
    const answer = await ask(wiring, source, `${lease}/freeze`, by);
    const frozen = leaseIn(answer);
    if (frozen !== null) return frozen;
    if (answer.status !== 503 || tries === freezeTries) throw undone(wordsOf(answer));
    await sleep(freezePauseMs);
  }
}

async function must(wiring: RelocationWiring, cell: CellRecord, path: string, body: object): Promise<void> {
  const answer = await ask(wiring, cell, path, body);
  if (answer.status !== 200) throw undone(`${cell.id} answered ${wordsOf(answer)}`);
}

async function ask(wiring: RelocationWiring, cell: CellRecord, path: string, body: object): Promise<PartAnswer> {
  const answer = await callCell(wiring.parts, cell, path, timeoutMs, body);
  if (answer === null) throw fail("cell-silent", `${cell.id} does not answer.`);
  return answer;
}

async function cellsOf(pool: Pool, { source, destination }: OpenRelocation): Promise<Cells> {
  const find = async (id: CellId): Promise<CellRecord> => {
    const cell = await findCell(pool, id);
    if (cell === null) throw fail("unknown-cell", `There is no cell ${id}.`);
    return cell;
  };
  return { source: await find(source), destination: await find(destination) };
}

function leaseIn({ status, body }: PartAnswer): StepLease | null {
  return status === 200 && Value.Check(StepLease, body) ? body : null;
}

/** The deadline passed, or a write's thaw was under way: another freeze may do. */
function isThawed({ status, body }: PartAnswer): boolean {
  return status === 503 || (body as { code?: unknown } | undefined)?.code === "lease-moved-on";
}

function wordsOf({ status, body }: PartAnswer): string {
  const { code, detail } = (body ?? {}) as { code?: unknown; detail?: unknown };
  return `${status}${typeof code === "string" ? ` ${code}` : ""}${typeof detail === "string" ? `: ${detail}` : ""}`;
}

const undone = (why: string) => fail("relocation-undone", `${why.charAt(0).toUpperCase()}${why.slice(1)}.`);
