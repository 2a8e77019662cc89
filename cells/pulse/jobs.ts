import {
  Type,
  defineJob,
  distinctOf,
  mergeDistinct,
  readRollups,
  recordRollup,
  type DistinctSketch,
  type JobContext,
  type Transaction,
} from "../kit/kit.ts";
import { removeEvents } from "./events.store.ts";
import { lockRollUp, removeHours, rollTail, type HourGain } from "./hours.store.ts";
import type { PulseSettings } from "./settings.ts";

const Nothing = Type.Object({}, { additionalProperties: false });

/** Events moved in one job; what is left is moved by the next one. */
const rolledAtOnce = 5_000;
const removedAtOnce = 5_000;
const hoursAtOnce = 2;

/** How long events wait in the tail at least, so that one job takes many. Readers see them there. */
export const rollUpDelaySeconds = 1;

/** Moves the tail into the hours, and tells the aggregator's roll-ups of each hour that grew. */
export const rollUp = defineJob({
  name: "roll-up",
  version: 1,
  payload: Nothing,
  everySeconds: 60,
  async run(_payload, { tx, queue }: JobContext<PulseSettings>): Promise<void> {
    await lockRollUp(tx);
    const gains = await rollTail(tx, rolledAtOnce);
    await tellAggregator(tx, gains);
    const moved = gains.reduce((sum, gain) => sum + gain.events, 0);
    if (moved === rolledAtOnce) await queue.add(tx, rollUp, {}, { key: "roll-up" });
  },
});

/** Forgets what is older than the retention, in small batches. */
export const purge = defineJob({
  name: "purge",
  version: 1,
  payload: Nothing,
  everySeconds: 600,
  async run(_payload, { tx, queue, settings, now }: JobContext<PulseSettings>): Promise<void> {
    const before = new Date(now.getTime() - settings.PULSE_RETENTION_HOURS * 3_600_000);
    const events = await removeEvents(tx, before, removedAtOnce);
    const hours = await removeHours(tx, before, hoursAtOnce);
    if (events === removedAtOnce || hours === hoursAtOnce) await queue.add(tx, purge, {}, { key: "more" });
  },
});

/** Counts are added to what was told before, and users to the sketch, so that the cost follows what is new and not the hour's size. */
async function tellAggregator(tx: Transaction, gains: readonly HourGain[]): Promise<void> {
  if (gains.length === 0) return;
  const hours = gains.map((gain) => gain.hour);
  const counts = await readRollups(tx, "events", hours);
  const users = await readRollups(tx, "active-users", hours);
  const at = (gain: HourGain): number => gain.hour.getTime();
  const summed = gains.map((gain) => ({
    bucket: gain.hour,
    value: ((counts.get(at(gain)) as number | undefined) ?? 0) + gain.events,
  }));
  await recordRollup(tx, "events", "sum", summed);
  const grown = gains
    .filter((gain) => gain.newUsers.length > 0)
    .map((gain) => {
      const known = users.get(at(gain)) as DistinctSketch | undefined;
      const fresh = distinctOf(gain.newUsers);
      return { bucket: gain.hour, value: known === undefined ? fresh : mergeDistinct([known, fresh]) };
    });
  await recordRollup(tx, "active-users", "distinct", grown);
}
