import { type Command, InvalidArgumentError } from "commander";
import { rolloutCommands, type RolloutCommand } from "../../common/contracts/rollout.ts";
import { act, type DefineCommands, type RunAction, withExamples } from "../command.ts";

const commandTexts: Readonly<Record<RolloutCommand, string>> = {
  pause: "begin no further step; what runs is finished, judging goes on",
  resume: "go on after a pause or a halt",
  halt: "freeze everything in place",
  "roll-back": "bring every cell back to its last verified release",
  cancel: "end the rollout; cells keep what they have",
  approve: "agree to the wave that waits for it; never one's own rollout",
  reject: "do not agree: a rollout that has touched nothing is cancelled, another one halted",
};

/** `rollout plan|start|explain|what-if|show|pause|resume|halt|roll-back|cancel|approve|reject`. */
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

  for (const name of rolloutCommands) {
    const command = rollout
      .command(name)
      .description(commandTexts[name])
      .argument("[id]", "its id (default: the latest)")
      .option("--reason <text>", "why; kept in history and audit");
    act<{ id?: string; reason?: string; watch?: boolean }>(watched(command), run, async () => {
      const { sendCommand } = await import("../actions/rollout/commands.ts");
      return (context, input) => sendCommand(context, { ...input, command: name });
    });
    withExamples(command, `rollout ${name}${name === "resume" ? "" : ' --reason "seen on the phone"'}`);
  }
};

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
