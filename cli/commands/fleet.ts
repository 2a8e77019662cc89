import { groupings } from "../../common/contracts/rollups.ts";
import { stoppableParts } from "../../common/contracts/home.ts";
import { act, type DefineCommands, withExamples, wordArgument, wordOption } from "../command.ts";

/** Commands about the fleet as a whole: status, demo, processes, numbers, stop, version. */
export const defineFleet: DefineCommands = (parent, run) => {
  const status = parent.command("status").description("what runs, also with the control plane or the supervisor dead");
  act(status, run, async () => (await import("../actions/status/show.ts")).showStatus);
  withExamples(status, "status", "status --json");

  const demo = parent.command("demo").description("the demo's tenants with their hosts and keys");
  act(demo, run, async () => (await import("../actions/demo.ts")).showDemo);
  withExamples(demo, "demo", "demo --json");

  const signIn = parent.command("sign-in").description("a code that works once, to sign in to the dashboard");
  act(signIn, run, async () => (await import("../actions/sign-in.ts")).signIn);
  withExamples(signIn, "sign-in");

  const query = parent
    .command("query")
    .description("numbers over all cells, with what they cover")
    .argument("<name>", "an aggregate that the application declares, e.g. active-users or events of Pulse")
    .addOption(wordOption("--by <grouping>", "one row for each of these", groupings).default("tenant"))
    .option("--from <time>", "beginning, as 2026-01-31T00:00:00Z (default: a day ago)")
    .option("--to <time>", "end (default: now)")
    .addOption(
      wordOption("--completeness <wish>", "all: refuse an answer that leaves a cell out", ["all", "best_effort"]),
    );
  act(query, run, async () => (await import("../actions/query.ts")).askQuery);
  withExamples(query, "query active-users --by tier", "query events --by cell --json");

  const processes = parent.command("process").description("the parts' processes, through the supervisor");
  act(
    processes.command("list").description("every process of the fleet"),
    run,
    async () => (await import("../actions/process.ts")).listProcesses,
  );
  const stopProcess = processes
    .command("stop")
    .description("stop a part; it stays down until it is started again")
    .addArgument(wordArgument("name", "the part", stoppableParts));
  act(stopProcess, run, async () => (await import("../actions/process.ts")).stopProcess);
  withExamples(stopProcess, "process stop control-plane");
  const startProcess = processes
    .command("start")
    .description("start a part that was stopped")
    .addArgument(wordArgument("name", "the part", stoppableParts));
  act(startProcess, run, async () => (await import("../actions/process.ts")).startProcess);
  withExamples(startProcess, "process start control-plane");

  const stop = parent.command("stop").description("stop the whole fleet; returns when everything is down");
  act(stop, run, async () => (await import("../actions/stop.ts")).stopFleet);
  withExamples(stop, "stop", "stop --home /srv/other-fleet");

  act(
    parent.command("version").description("version of this command and of the Node that runs it"),
    run,
    async () => (await import("../actions/version.ts")).showVersion,
  );
};
