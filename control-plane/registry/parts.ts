import type { Clock } from "../../common/clock.ts";
import type { Part } from "../../common/contracts/control-plane.ts";
import type { SettingsRow } from "../../common/contracts/fleet.ts";
import { keyIdOf, publicKeyFrom } from "../../common/keys.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { fail } from "../errors.ts";
import { partUpdate, settingsUpdate } from "../fleet/rows.ts";
import { canonicalJson } from "../../common/canonical.ts";
import { change, type Cause } from "./change.ts";
import { findPart, writePart } from "./parts.store.ts";
import { writeSettings } from "./settings.store.ts";

type Wiring = { readonly pool: Pool; readonly clock: Clock };

/**
 * Registers a part or changes its keys and address; the same again changes nothing.
 * @throws part-differs
 */
export async function putPart(wiring: Wiring, cause: Cause, part: Part): Promise<void> {
  for (const spki of part.keys) checkKey(spki);
  await change(wiring, cause, async (step) => {
    const known = await findPart(step.tx, part.id);
    if (known !== null && known.role !== part.role) throw fail("part-differs", `${part.id} is a ${known.role}.`);
    step.publish(partUpdate({ id: part.id, role: part.role, keys: part.keys, url: part.url }));
    if (known !== null && canonicalJson(known) === canonicalJson(part)) return;
    await writePart(step.tx, part);
    step.audit("part.register", `${part.id} (${part.keys.map(keyIdOf).join(", ")})`);
  });
}

/** @throws invalid-key when the text is no public key. */
export function checkKey(spki: string): void {
  try {
    publicKeyFrom(spki);
  } catch (cause) {
    throw fail("invalid-public-key", "A key is no base64 SubjectPublicKeyInfo of an Ed25519 key.", { cause });
  }
}

/** Writes the fleet's own settings, at boot. */
export async function putSettings(wiring: Wiring, cause: Cause, settings: SettingsRow): Promise<void> {
  await change(wiring, cause, async (step) => {
    await writeSettings(step.tx, settings);
    step.publish(settingsUpdate({ baseDomain: settings.baseDomain, application: settings.application }));
  });
}
