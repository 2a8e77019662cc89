import { InvalidArgumentError } from "commander";
import { act, type DefineCommands, withExamples, wordOption } from "../command.ts";
import { defineCellRestore } from "./backups.ts";

/** More lines than this belong in a pager that opens the file itself. */
const mostLines = 10_000;

/** `cell list|stop|start|maintenance|restore|lives|logs`. */
export const defineCells: DefineCommands = (parent, run) => {
  const cell = parent.command("cell").description("cells: each a complete stack of its own");

  act(
    cell.command("list").description("cells with region, release, health and tenants"),
    run,
    async () => (await import("../actions/cell.ts")).listCells,
  );

  const stop = cell
    .command("stop")
    .description("stop all processes of a cell, through the supervisor; they stay down until started again")
    .argument("<cell>", "the cell, e.g. cell-1");
  act(stop, run, async () => (await import("../actions/cell.ts")).stopCell);
  withExamples(stop, "cell stop cell-2");

  const start = cell
    .command("start")
    .description("start the processes of a cell that was stopped")
    .argument("<cell>", "the cell, e.g. cell-1");
  act(start, run, async () => (await import("../actions/cell.ts")).startCell);
  withExamples(start, "cell start cell-2");

  const maintenance = cell
    .command("maintenance")
    .description("the windows within which rollouts may change a cell; with a file, sets them")
    .argument("<cell>", "the cell, e.g. cell-1")
    .argument("[file]", 'JSON: a list of windows; "[]" in it means always')
    .option("--reason <text>", "why; kept in the audit");
  act(maintenance, run, async () => (await import("../actions/maintenance.ts")).cellMaintenance);
  withExamples(maintenance, "cell maintenance cell-1", "cell maintenance cell-1 nights.json");

  defineCellRestore(cell, run);

  const logs = cell
    .command("logs")
    .description("last lines of the logs of a cell's processes")
    .argument("<cell>", "the cell, e.g. cell-1")
    .option("-n, --lines <count>", "lines of each process", wholeNumber, 20)
    .addOption(wordOption("--role <role>", "only processes of this role", ["api", "worker", "postgres", "redis"]))
    .option("-f, --follow", "go on until interrupted (not with --json)");
  act(logs, run, async () => (await import("../actions/logs.ts")).showLogs);
  withExamples(logs, "cell logs cell-1", "cell logs cell-1 --role api --follow");
};

function wholeNumber(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > mostLines)
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${mostLines}.`);
  return count;
}
