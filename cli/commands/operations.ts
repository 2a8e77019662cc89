import { act, type DefineCommands, withExamples } from "../command.ts";

/** `operation list|abandon`. */
export const defineOperations: DefineCommands = (parent, run) => {
  const operation = parent.command("operation").description("what is under way: rollouts, backups, restores");

  const list = operation.command("list").description("operations that have not ended, and the cells that they hold");
  act(list, run, async () => (await import("../actions/operation.ts")).listOperations);
  withExamples(list, "operation list");

  const abandon = operation
    .command("abandon")
    .description("end an operation whose workflow is lost: its cells are free, and keep what they run")
    .argument("<id>", "its id, as `operation list` shows it")
    .requiredOption("--reason <text>", "why; kept in history and audit");
  act(abandon, run, async () => (await import("../actions/operation.ts")).abandonOperation);
  withExamples(abandon, 'operation abandon 01980000-0000-7000-8000-000000000000 --reason "Temporal\'s disk is lost"');
};
