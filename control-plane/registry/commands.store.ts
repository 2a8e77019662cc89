import Type, { type Static } from "typebox";
import type { CommandKind } from "../../common/contracts/claims.ts";
import { CellIdSchema, EpochSchema, TenantIdSchema } from "../../common/contracts/ids.ts";
import type { CellId, OperationId, TenantId } from "../../common/ids.ts";
import type { Queryable } from "../../common/postgres/pool.ts";
import { commandLapsesSeconds } from "./claims.store.ts";
import { readSettings } from "./settings.store.ts";
import { tenantColumns, type TenantRecord } from "./tenants.store.ts";

/** A tenant on its way from one cell to another. */
export const Relocation = Type.Object(
  {
    tenant: TenantIdSchema,
    slug: Type.String(),
    source: CellIdSchema,
    destination: CellIdSchema,
    /** What the source's lease gave to the try that is under way; null before it was asked. */
    step: Type.Union([
      Type.Object({ epoch: EpochSchema, attempt: Type.Integer({ minimum: 1 }) }, { additionalProperties: false }),
      Type.Null(),
    ]),
  },
  { additionalProperties: false },
);
export type Relocation = Static<typeof Relocation>;

export interface OpenRelocation extends Relocation {
  readonly operation: OperationId;
}

/** Writes an operation that a command carries out. */
export async function insertCommand(
  tx: Queryable,
  id: OperationId,
  command: { readonly kind: CommandKind; readonly requestedBy: string; readonly relocation: Relocation | null },
): Promise<void> {
  const { application } = await readSettings(tx);
  const operation =
    "INSERT INTO operations (id, kind, application, requested_by, started_at) VALUES ($1, $2, $3, $4, now())";
  await tx.query(operation, [id, command.kind, application, command.requestedBy]);
  const relocation = command.relocation === null ? null : JSON.stringify(command.relocation);
  await tx.query("INSERT INTO command_operations (operation, relocation) VALUES ($1, $2)", [id, relocation]);
}

/** Notes that the command lives. @returns false when it has ended, or has lapsed. */
export async function hearCommand(db: Queryable, id: OperationId): Promise<boolean> {
  const text = `UPDATE command_operations SET heard_at = now() WHERE operation = $1 AND ended_at IS NULL
    AND (relocation IS NOT NULL OR heard_at > now() - make_interval(secs => $2))`;
  return (await db.query(text, [id, commandLapsesSeconds])).rowCount === 1;
}

/** @returns false when it had ended. */
export async function endCommand(tx: Queryable, id: OperationId): Promise<boolean> {
  const text = "UPDATE command_operations SET ended_at = now() WHERE operation = $1 AND ended_at IS NULL";
  return (await tx.query(text, [id])).rowCount === 1;
}

const openRelocations = `SELECT operation, relocation FROM command_operations WHERE relocation IS NOT NULL AND ended_at IS NULL`;

/** Null where there is none that is open. */
export async function findRelocation(db: Queryable, id: OperationId): Promise<OpenRelocation | null> {
  const { rows } = await db.query<Row>(`${openRelocations} AND operation = $1`, [id]);
  return rows[0] === undefined ? null : openOf(rows[0]);
}

/** Relocations that their commands left lying: somebody has to settle them. */
export async function lapsedRelocations(db: Queryable): Promise<OpenRelocation[]> {
  const text = `${openRelocations} AND heard_at < now() - make_interval(secs => $1) ORDER BY operation`;
  return (await db.query<Row>(text, [commandLapsesSeconds])).rows.map(openOf);
}

interface Row {
  readonly operation: OperationId;
  readonly relocation: Relocation;
}
const openOf = ({ operation, relocation }: Row): OpenRelocation => ({ operation, ...relocation });

/** Whether the tenant is under way already. */
export async function isRelocating(tx: Queryable, tenant: TenantId): Promise<boolean> {
  return ((await tx.query(`${openRelocations} AND relocation->>'tenant' = $1`, [tenant])).rowCount ?? 0) > 0;
}

export async function noteStep(db: Queryable, id: OperationId, step: NonNullable<Relocation["step"]>): Promise<void> {
  const text = "UPDATE command_operations SET relocation = jsonb_set(relocation, '{step}', $2) WHERE operation = $1";
  await db.query(text, [id, JSON.stringify(step)]);
}

/** Places a tenant where it went, and says why it is there. Null where the registry knows a higher epoch. */
export async function followRelocation(
  tx: Queryable,
  { tenant, destination }: Relocation,
  epoch: number,
  why: string,
): Promise<TenantRecord | null> {
  const text = `UPDATE tenants SET cell = $2, epoch = $3, explanation = $4, lease_wanted = lease_wanted + 1
    WHERE id = $1 AND epoch <= $3 RETURNING ${tenantColumns}`;
  return (await tx.query<TenantRecord>(text, [tenant, destination satisfies CellId, epoch, why])).rows[0] ?? null;
}

/** Notes that a deed was told. @returns false when it had been told before. */
export async function noteDirect(tx: Queryable, id: string): Promise<boolean> {
  return (await tx.query("INSERT INTO direct_commands (id) VALUES ($1) ON CONFLICT DO NOTHING", [id])).rowCount === 1;
}
