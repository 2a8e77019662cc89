import type { CellSecrets } from "./cell-secrets.ts";
import type { DatabasePlan } from "./postgres.store.ts";

/** The roles and the database of a cell: who owns the schema, who runs tenants' statements, who does the cell's own work. */
export function databasePlan(secrets: CellSecrets): DatabasePlan {
  const roles = (["owner", "app", "system"] as const).map((role) => ({
    name: `cell_${role}`,
    password: secrets[role],
    confined: role === "app",
  }));
  const databases = [{ name: "cell", owner: "cell_owner", guests: ["cell_app", "cell_system"] }];
  return { superuserPassword: secrets.superuser, roles, databases };
}
