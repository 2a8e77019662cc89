import type { SettingsRow } from "../../common/contracts/fleet.ts";
import type { ReleaseName } from "../../common/ids.ts";
import type { Queryable } from "../../common/postgres/pool.ts";

export interface Settings extends SettingsRow {
  /** Release of the last completed rollout: what new and returning cells get. */
  readonly currentRelease: ReleaseName | null;
}

/** @throws when the control plane has not written them yet. */
export async function readSettings(db: Queryable): Promise<Settings> {
  const text = 'SELECT base_domain AS "baseDomain", application, current_release AS "currentRelease" FROM settings';
  const [row] = (await db.query<Settings>(text)).rows;
  if (row === undefined) throw new Error("the registry has no settings yet");
  return row;
}

export async function writeSettings(tx: Queryable, { baseDomain, application }: SettingsRow): Promise<void> {
  const text = `INSERT INTO settings (base_domain, application) VALUES ($1, $2)
    ON CONFLICT (single) DO UPDATE SET base_domain = excluded.base_domain, application = excluded.application`;
  await tx.query(text, [baseDomain, application]);
}

export async function writeCurrentRelease(tx: Queryable, release: ReleaseName): Promise<void> {
  await tx.query("UPDATE settings SET current_release = $1", [release]);
}
