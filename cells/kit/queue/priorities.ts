import { jobPriorities } from "../../../common/contracts/jobs.ts";

/** Order of a tenant's jobs among themselves, first to last. A higher one goes strictly first: it can starve the lower ones of its own tenant only. */
export type Priority = (typeof jobPriorities)[number];

/** The number under which a priority is stored. @throws TypeError for a word that is none. */
export function rankOf(priority: Priority = "normal"): number {
  const rank = jobPriorities.indexOf(priority);
  if (rank < 0) throw new TypeError(`a job's priority is ${jobPriorities.join(", ")}`);
  return rank;
}

export function priorityOf(rank: number): Priority {
  return jobPriorities[rank] ?? "normal";
}
