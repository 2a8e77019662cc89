import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CellList } from "../../../common/contracts/control-plane.ts";
import type { CellRow, TenantRow } from "../../../common/contracts/fleet.ts";
import { homePaths } from "../../../common/contracts/home.ts";
import { FleetBundle } from "../../../common/fleet/bundle.ts";
import type { FleetDocument } from "../../../common/fleet/document.ts";
import { EnvelopeRefused } from "../../../common/fleet/envelope.ts";
import { SealedBundle } from "../../../common/fleet/sealed-bundle.ts";
import type { CellId } from "../../../common/ids.ts";
import { loadSigningKey } from "../../../common/keys.ts";
import type { Context } from "../../context.ts";
import type { CellKnowledge } from "./compose.ts";

/** Status is looked at when something is wrong: a control plane that hangs must not hold it up for long. */
const patienceMs = 2_000;

/** What the control plane knows of the cells. @throws when it does not answer. */
export async function askedKnowledge(context: Context): Promise<Map<CellId, CellKnowledge>> {
  const plane = await context.controlPlane();
  const { cells } = await plane.get<CellList>("/v1/cells", patienceMs);
  return new Map(
    cells.map((cell) => [cell.id, { liveSlot: cell.liveSlot, release: cell.release, tenants: cell.tenants }]),
  );
}

/**
 * The same from the fleet document on the disk of those who live by it, the router first. With the control plane dead nothing changes the
 * document, so this is what tenants are served by.
 */
export function documentKnowledge(home: string): Map<CellId, CellKnowledge> {
  const document = loadTable(home) ?? loadCopy(join(home, "aggregator", "fleet"));
  if (document === null) return new Map();
  const tenants = [...document.rowsOf<TenantRow>("tenant")].filter((tenant) => !tenant.synthetic);
  return new Map(
    [...document.rowsOf<CellRow>("cell")].map((cell) => [
      cell.id,
      {
        liveSlot: cell.liveSlot,
        release: cell.release,
        tenants: tenants.filter((tenant) => tenant.cell === cell.id).length,
      },
    ]),
  );
}

/** What the router has kept, sealed by its own key. */
function loadTable(home: string): FleetDocument | null {
  const folder = join(home, "router", "router-1", "fleet");
  const keyFile = join(home, homePaths.keys, "router-1.pem");
  return loadFrom(folder, "fleet.table", (copy) => new SealedBundle(copy, loadSigningKey(keyFile)).load());
}

function loadCopy(folder: string): FleetDocument | null {
  return loadFrom(folder, "fleet.log", (copy) => new FleetBundle(copy).load());
}

/** Loading cuts off a torn last line, which only the file's owner may do; so a copy is loaded. */
function loadFrom(
  folder: string,
  file: string,
  load: (copy: string) => { readonly document: FleetDocument } | null,
): FleetDocument | null {
  const copy = mkdtempSync(join(tmpdir(), "cellplane-"));
  try {
    copyFileSync(join(folder, file), join(copy, file));
    return load(copy)?.document ?? null;
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    if (missing || error instanceof EnvelopeRefused) return null;
    throw error;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}
