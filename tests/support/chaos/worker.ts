import { systemClock } from "../../../common/clock.ts";
import { slots } from "../../../common/contracts/lease.ts";
import { createLog } from "../../../common/log.ts";
import { createPool } from "../../../common/postgres/pool.ts";
import { createRegistry } from "../../../control-plane/registry/registry.ts";
import { createActivities } from "../../../workflows/activities/create.ts";
import type { PartClient } from "../../../workflows/activities/part-client.ts";
import type { DriverPort, RegistryPort } from "../../../workflows/activities/ports.ts";
import type { Synthetic } from "../../../workflows/activities/synthetic.ts";
import { TemporalWorker } from "../../../workflows/temporal-worker.ts";
import { bundle } from "../../workflow/support/environment.ts";
import { driverSteps, simulatedAddress, simulatedRouter } from "../simulated-cells.ts";
import { remote } from "./remote.ts";

// The workflow worker as a process that can be killed: its registry is real, its cells and their router are models that live in another process.

/** What a gate knows of an activity: it may keep it for ever. */
export interface Gate {
  pass(activity: string, cell: string | null, when: "before" | "after"): Promise<void>;
}

const [address = "", databaseUrl = "", models = ""] = process.argv.slice(2);
const log = createLog("worker", "info");
const pool = createPool({ url: databaseUrl, application: "worker", log });
const real = createRegistry(pool);
const registry: RegistryPort = {
  ...real,
  async cell(id) {
    const cell = await real.cell(id);
    const at = slots.map((slot) => [slot, { ...cell.slots[slot], adminUrl: simulatedAddress(id, slot) }] as const);
    return { ...cell, slots: Object.fromEntries(at) as typeof cell.slots };
  },
  routers: async () => [simulatedRouter],
};
const parts = remote<PartClient>(models, "parts", ["get"]);
const activities = createActivities({
  clock: systemClock,
  driver: remote<DriverPort>(models, "driver", ["status", ...driverSteps]),
  registry,
  synthetic: remote<Synthetic>(models, "synthetic", ["ensureKey", "journeyAtSlot", "load"]),
  parts,
  readyWithinMs: 10_000,
});
const gate = remote<Gate>(models, "gate", ["pass"]);

/** Every activity passes a gate before and after it does its work. */
function gated<Table extends object>(table: Table): Table {
  const wrapped = Object.entries(table).map(([name, activity]) => [
    name,
    async (input: { readonly cell?: string }) => {
      await gate.pass(name, input?.cell ?? null, "before");
      const result: unknown = await (activity as (input: unknown) => Promise<unknown>)(input);
      await gate.pass(name, input?.cell ?? null, "after");
      return result;
    },
  ]);
  return Object.fromEntries(wrapped) as Table;
}

new TemporalWorker({ address, identity: "worker", activities: gated(activities), bundle, log }).start();
