import { InvalidArgumentError } from "commander";
import { act, type DefineCommands, withExamples } from "../command.ts";

const mostListed = 200;

/** `job list|show|replay|discard`. */
export const defineJobs: DefineCommands = (parent, run) => {
  const job = parent.command("job").description("jobs of a tenant that failed for good");

  const list = job
    .command("list")
    .description("a tenant's queue in numbers, and its dead letters, latest job first")
    .argument("<tenant>", "the tenant's slug")
    .option("--after <id>", "the page after this one, as the page before names it")
    .option("-n, --limit <count>", `how many at once, at most ${mostListed}`, pageSize, 50);
  act(list, run, async () => (await import("../actions/job.ts")).listJobs);
  withExamples(list, "job list acme", "job list acme --limit 200 --json");

  const show = job
    .command("show")
    .description("one dead letter: payload, error with its causes, tries; who reads it stands in the audit")
    .argument("<tenant>", "the tenant's slug")
    .argument("<id>", "the job's id, as `job list` shows it");
  act(show, run, async () => (await import("../actions/job.ts")).showJob);

  const replay = job
    .command("replay")
    .description(
      "have a dead letter run again, with all its tries before it; without an id, with --all, every one of the tenant",
    )
    .argument("<tenant>", "the tenant's slug")
    .argument("[id]", "the job's id")
    .option("--all", "all dead letters of the tenant, oldest first");
  act(replay, run, async () => (await import("../actions/job.ts")).replayJobs);
  withExamples(replay, "job replay acme 01980c2e-7c3f-7b1e-9d3f-4d8f0f6a2b11", "job replay acme --all");

  const discard = job
    .command("discard")
    .description("remove a dead letter for good")
    .argument("<tenant>", "the tenant's slug")
    .argument("<id>", "the job's id")
    .requiredOption("--reason <text>", "why; it stands in the audit");
  act(discard, run, async () => (await import("../actions/job.ts")).discardJob);
  withExamples(discard, 'job discard acme 01980c2e-7c3f-7b1e-9d3f-4d8f0f6a2b11 --reason "order was cancelled"');
};

function pageSize(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > mostListed)
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${mostListed}.`);
  return count;
}
