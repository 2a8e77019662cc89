import { type Command, InvalidArgumentError } from "commander";
import {
  longestExtensionSeconds,
  overrideVerdicts,
  rolloutCommands,
  type OverrideVerdict,
  type RolloutCommand,
} from "../../common/contracts/rollout.ts";
import { act, type DefineCommands, type RunAction, withExamples, wordArgument } from "../command.ts";

const commandTexts: Readonly<Record<RolloutCommand, string>> = {
  pause: "begin no further step; what runs is finished, judging goes on",
  resume: "go on after a pause or a halt",
  halt: "freeze everything in place",
  "roll-back": "bring every cell back to its last verified release",
  cancel: "end the rollout; cells keep what they have",
  approve: "agree to the wave that waits for it; never one's own rollout",
  reject: "do not agree: a rollout that has touched nothing is cancelled, another one halted",
  "extend-bake": "let the wave at hand bake longer",
  "end-bake": "end the bake of the wave at hand now; it is judged by what was seen, and no gate is skipped",
  "skip-cell": "leave a cell that was not begun as it is",
  "retry-cell": "change a cell of the wave at hand once more, that failed or was left out; the wave bakes again",
  override:
    "give the verdict in the judge's place: PASS goes on (also in spite of a window), FAIL rolls back and quarantines",
};

/** An example of each command, with what it takes beside the rollout's id. */
const commandExamples: Readonly<Record<RolloutCommand, string>> = {
  pause: '--reason "a look first"',
  resume: "",
  halt: '--reason "seen on the phone"',
  "roll-back": '--reason "not today"',
  cancel: '--reason "another release comes"',
  approve: '--reason "looked at the plan"',
  reject: '--reason "not on a Friday"',
  "extend-bake": '1800 --reason "until the batch jobs have run"',
  "end-bake": '--reason "seen enough"',
  "skip-cell": 'cell-3 --reason "its disk is being replaced"',
  "retry-cell": "cell-3",
  override: 'PASS --reason "the errors are of a customer\'s load test"',
};

/** What a command's line holds beside what all have. */
interface CommandLine {
  readonly id?: string;
  readonly reason?: string;
  readonly watch?: boolean;
  readonly wave?: number;
  readonly revision?: number;
  readonly cell?: string;
  readonly seconds?: number;
  readonly verdict?: OverrideVerdict;
}

/** `rollout plan|start|explain|what-if|show` and every command to a rollout. */
export const defineRollouts: DefineCommands = (parent, run) => {
  const rollout = parent.command("rollout").description("bring a release to the cells in waves");
  definePlan(rollout, run);
  defineStart(rollout, run);
  defineExplain(rollout, run);

  const show = watched(
    rollout
      .command("show")
      .description("a rollout as the registry has it")
      .argument("[id]", "its id (default: the latest)"),
  );
  act(show, run, async () => (await import("../actions/rollout/commands.ts")).showRollout);
  withExamples(show, "rollout show", "rollout show --watch");

  const timeline = rollout
    .command("timeline")
    .description("every state that a rollout was in, since when, for how long, and who or what ended it")
    .argument("[id]", "its id (default: the latest)");
  act(timeline, run, async () => (await import("../actions/rollout/timeline.ts")).showTimeline);
  withExamples(timeline, "rollout timeline", "rollout timeline --json");

  for (const name of rolloutCommands) {
    const command = withSubject(rollout.command(name).description(commandTexts[name]), name)
      .argument("[id]", "its id (default: the latest)")
      .option("--reason <text>", `why; kept in history and audit${name === "override" ? "; an override needs it" : ""}`)
      .option("--wave <number>", "refused unless this wave is at hand", numberIn(1, 1000))
      .option("--revision <number>", "refused if the rollout is another than at this revision", numberIn(0, 2 ** 31));
    act<CommandLine>(watched(command), run, async () => {
      const { sendCommand } = await import("../actions/rollout/commands.ts");
      return (context, input) => sendCommand(context, { ...input, command: name });
    });
    withExamples(command, `rollout ${name} ${commandExamples[name]}`.trimEnd());
  }
};

/** What the command is about, where that is not the whole rollout. */
function withSubject(command: Command, name: RolloutCommand): Command {
  switch (name) {
    case "extend-bake":
      return command.argument("<seconds>", "by how much, as time passes", numberIn(1, longestExtensionSeconds));
    case "skip-cell":
    case "retry-cell":
      return command.argument("<cell>", "the cell, e.g. cell-3");
    case "override":
      return command.addArgument(wordArgument("verdict", "the verdict", overrideVerdicts));
    default:
      return command;
  }
}

function definePlan(rollout: Command, run: RunAction): void {
  const plan = withPolicy(
    rollout
      .command("plan")
      .description("waves, customers at risk, gates and length of a rollout; nothing is begun")
      .argument("<release>", "a stored release, e.g. pulse@2"),
  );
  act(plan, run, async () => (await import("../actions/rollout/plan.ts")).planRollout);
  withExamples(plan, "rollout plan pulse@4", "rollout plan pulse@4 --policy careful.json");
}

function defineStart(rollout: Command, run: RunAction): void {
  const start = withPolicy(
    rollout
      .command("start")
      .description("begin a rollout: canary first, then in waves")
      .argument("<release>", "a stored release, e.g. pulse@2"),
  )
    .option(
      "--plan <hash>",
      "exactly this plan, as `rollout plan` showed it; other options of the policy then do nothing",
    )
    .option("--reason <text>", "why; kept in history and audit");
  act(watched(start), run, async () => (await import("../actions/rollout/commands.ts")).startRollout);
  withExamples(start, "rollout start pulse@2 --watch", "rollout start pulse@2 --time-scale 0.1 --watch --json");
}

function defineExplain(rollout: Command, run: RunAction): void {
  const explain = rollout
    .command("explain")
    .description("every decision of a rollout: samples, formula, thresholds, and who was heard")
    .argument("[id]", "its id (default: the latest)");
  act(explain, run, async () => (await import("../actions/rollout/explain.ts")).explainRollout);
  withExamples(explain, "rollout explain");

  const whatIf = withPolicy(
    rollout
      .command("what-if")
      .description("judge a past rollout's samples by another policy; changes nothing")
      .argument("[id]", "its id (default: the latest)"),
  );
  act(whatIf, run, async () => (await import("../actions/rollout/explain.ts")).whatIf);
  withExamples(whatIf, "rollout what-if --policy strict.json");
}

/** What shapes a rollout's policy. */
function withPolicy(command: Command): Command {
  return command
    .option("--policy <file>", "JSON with any members of a policy: gates, windows, approvals, caps, blast radius")
    .option("--time-scale <factor>", "multiplies the bakes; 1 in production, small for demos", numberIn(0, 1))
    .option("--canary-cells <count>", "cells in the first wave", numberIn(0, 1000))
    .option(
      "--waves <percentages>",
      "share of the fleet reached after each further wave, e.g. 10,50,100",
      numbersIn(0, 100),
    )
    .option("--bake <seconds>", "bake after each wave, before scaling, e.g. 60,120", numbersIn(0, 604_800));
}

/** --watch ends at completed, rolled-back, rollback-failed, halted, cancelled or waiting for a person; never in between. */
function watched(command: Command): Command {
  return command.option("-w, --watch", "follow it to its end; exit code 3 where it did not complete");
}

function numberIn(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !(value >= least && value <= most))
      throw new InvalidArgumentError(`It must be a number from ${least} to ${most}.`);
    return value;
  };
}

function numbersIn(least: number, most: number): (text: string) => number[] {
  const one = numberIn(least, most);
  return (text) => text.split(",").map((part) => one(part));
}
