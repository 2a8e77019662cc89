import { join } from "node:path";
import { systemClock } from "../../../common/clock.ts";
import { commandTokens } from "../../../common/command-tokens.ts";
import { CellStatus } from "../../../common/contracts/cell-admin.ts";
import { type FleetFile, homePaths } from "../../../common/contracts/home.ts";
import type { Slot } from "../../../common/contracts/lease.ts";
import type { CellId } from "../../../common/ids.ts";
import { loadSigningKey } from "../../../common/keys.ts";
import Value from "typebox/value";

const patienceMs = 1_000;

/**
 * Asks cells in which two slots serve, as in the middle of a rollout, which of them is live: only their own database knows. The command token
 * is signed with the control plane's key from the home, which whoever may read it may do in any case.
 * @returns nothing for a cell that does not answer
 */
export async function askLiveSlots(
  home: string,
  fleet: FleetFile,
  serving: ReadonlyMap<CellId, readonly Slot[]>,
): Promise<Map<CellId, Slot>> {
  const asked = fleet.cells.filter((cell) => (serving.get(cell.id)?.length ?? 0) > 1);
  if (asked.length === 0) return new Map();
  const tokenFor = commandTokens(
    "control-plane",
    loadSigningKey(join(home, homePaths.keys, "control-plane.pem")),
    systemClock,
  );
  const answers = await Promise.all(
    asked.map(async ({ id, ports }) => {
      const token = await tokenFor(id);
      const admins = (serving.get(id) ?? []).map((slot) => `http://127.0.0.1:${ports.slots[slot].admin}/v1/status`);
      const [slot] = (await Promise.all(admins.map((url) => liveSlotAt(url, token)))).filter(
        (answer) => answer !== null,
      );
      return slot === undefined ? null : ([id, slot] as const);
    }),
  );
  return new Map(answers.filter((answer) => answer !== null));
}

async function liveSlotAt(url: string, token: string): Promise<Slot | null> {
  try {
    const response = await fetch(url, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(patienceMs),
    });
    const answer: unknown = await response.json();
    return response.ok && Value.Check(CellStatus, answer) ? answer.liveSlot : null;
  } catch {
    // Refused, too late, or no JSON: this process cannot tell. Whoever looks sees the cell degraded by its processes.
    return null;
  }
}
