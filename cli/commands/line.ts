import { act, type DefineCommands, withExamples } from "../command.ts";

/** `line show|stop|release`: stop-the-line. */
export const defineLine: DefineCommands = (parent, run) => {
  const line = parent.command("line").description("stop-the-line: one switch for all rollouts, also without Temporal");

  const show = line.command("show").description("whether the line is stopped, by whom and why");
  act(show, run, async () => (await import("../actions/line.ts")).showLine);
  withExamples(show, "line show");

  const stop = line
    .command("stop")
    .description("stop every rollout, and let none begin; cells in mid-change settle, judging and roll-backs go on")
    .requiredOption("--reason <text>", "why; shown to everybody who is refused, kept in the audit");
  act(stop, run, async () => (await import("../actions/line.ts")).stopLine);
  withExamples(stop, 'line stop --reason "the payment provider is down"');

  const release = line
    .command("release")
    .description("let rollouts begin and go on where they stand")
    .requiredOption("--reason <text>", "why; kept in the audit");
  act(release, run, async () => (await import("../actions/line.ts")).releaseLine);
  withExamples(release, 'line release --reason "it is back"');
};
