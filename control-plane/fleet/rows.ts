import type { CellRow, KeyRow, PartRow, SettingsRow, TenantRow } from "../../common/contracts/fleet.ts";

/** One change of the fleet document: a row's new value, or null where the row goes. */
export interface RowUpdate {
  readonly name: string;
  readonly value: TenantRow | KeyRow | CellRow | PartRow | SettingsRow | null;
}

export const tenantUpdate = (row: TenantRow): RowUpdate => ({ name: `tenant/${row.id}`, value: row });
export const keyUpdate = (row: KeyRow): RowUpdate => ({ name: `key/${row.digest}`, value: row });
export const keyRemoval = (digest: string): RowUpdate => ({ name: `key/${digest}`, value: null });
export const cellUpdate = (row: CellRow): RowUpdate => ({ name: `cell/${row.id}`, value: row });
export const partUpdate = (row: PartRow): RowUpdate => ({ name: `part/${row.id}`, value: row });
export const settingsUpdate = (row: SettingsRow): RowUpdate => ({ name: "settings/fleet", value: row });
