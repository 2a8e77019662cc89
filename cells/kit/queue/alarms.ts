import type { Alarm } from "../../../common/contracts/cell-admin.ts";
import type { QueueCounts } from "./counts.store.ts";

/** A job that is due begins within a second as a rule; a minute means that nobody works, or that too little does. */
const lateSeconds = 60;

/** What of a queue a person should look at. Pure. */
export function queueAlarms(counts: QueueCounts): Alarm[] {
  const alarms: Alarm[] = [];
  const backlog = `${counts.waiting} waiting, ${counts.inFlight} in flight`;
  if (counts.full > 0) alarms.push({ code: "outbox-full", detail: `new jobs are refused with 503 (${backlog})` });
  if (counts.oldestSeconds > lateSeconds)
    alarms.push({
      code: "jobs-late",
      detail: `a job has been due for ${Math.round(counts.oldestSeconds)} s (${backlog})`,
    });
  if (counts.dead > 0)
    alarms.push({ code: "dead-letters", detail: `${counts.dead} jobs failed for good; see \`cellplane job list\`` });
  return alarms;
}
