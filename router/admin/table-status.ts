import Type, { type Static } from "typebox";
import { CellIdSchema, EpochSchema, SlugSchema, TenantIdSchema, oneOf } from "../../common/contracts/ids.ts";
import { Generation, tenantStates } from "../../common/contracts/fleet.ts";
import { subscriptionStates, type FleetSubscription } from "../../common/fleet/subscription.ts";
import type { RouterParts } from "../app.ts";
import { fail } from "../errors.ts";
import type { TableAlarm } from "../table/alarms.ts";

const alarmCodes = ["table-stale", "table-refused", "table-not-kept"] as const satisfies readonly TableAlarm["code"][];

/** `GET /v1/table`. */
export const TableStatus = Type.Object(
  {
    state: oneOf(subscriptionStates),
    source: oneOf(["feed", "disk", "none"] as const),
    generation: Type.Union([Generation, Type.Null()]),
    hash: Type.Union([Type.String(), Type.Null()]),
    /** Since it was last known to be current; null when it never was in this life. */
    ageSeconds: Type.Union([Type.Number(), Type.Null()]),
    tenants: Type.Integer(),
    keys: Type.Integer(),
    bytes: Type.Integer(),
    tenantsByCell: Type.Record(Type.String(), Type.Integer()),
    /** Documents and deltas refused since the start, by reason. */
    refused: Type.Record(Type.String(), Type.Integer()),
    badRows: Type.Integer(),
    alarms: Type.Array(
      Type.Object({ code: oneOf(alarmCodes), detail: Type.String() }, { additionalProperties: false }),
    ),
  },
  { $id: "TableStatus", additionalProperties: false },
);
export type TableStatus = Static<typeof TableStatus>;

/** `GET /v1/tenants/:slug`. */
export const WhereTenant = Type.Object(
  {
    id: TenantIdSchema,
    slug: SlugSchema,
    cell: CellIdSchema,
    epoch: EpochSchema,
    state: oneOf(tenantStates),
    /** `record` where a release record has been adopted that the document does not know yet. */
    source: oneOf(["document", "record"] as const),
  },
  { $id: "WhereTenant", additionalProperties: false },
);
export type WhereTenant = Static<typeof WhereTenant>;

export function tableStatusOf(
  { table }: Pick<RouterParts, "table">,
  subscription: Pick<FleetSubscription, "status" | "document">,
  alarms: readonly TableAlarm[],
): TableStatus {
  const { state, source, generation, ageSeconds, refused } = subscription.status;
  return {
    state,
    source,
    generation,
    hash: subscription.document?.hash ?? null,
    ageSeconds: Number.isFinite(ageSeconds) ? ageSeconds : null,
    tenants: table.tenants,
    keys: table.keys,
    bytes: table.bytes,
    tenantsByCell: Object.fromEntries(table.tenantsByCell()),
    refused: { ...refused },
    badRows: table.badRows,
    alarms: [...alarms],
  };
}

/** @throws CellplaneError unknown-tenant */
export function whereIs(slug: string, { table, owners }: Pick<RouterParts, "table" | "owners">): WhereTenant {
  const tenant = table.tenantOf(slug);
  if (tenant === undefined) throw fail("unknown-tenant", `No tenant has the slug ${slug}.`);
  const owner = owners.ownerOf(tenant);
  return {
    id: tenant.id,
    slug,
    cell: owner?.cell ?? tenant.cell,
    epoch: owner?.epoch ?? tenant.epoch,
    state: tenant.state,
    source: owner?.record === undefined ? "document" : "record",
  };
}
