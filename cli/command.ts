import { Argument, type Command, Option } from "commander";
import type { Answer, Context } from "./context.ts";

/** What a command does; its file is loaded only when the command is run, so that all others start fast. */
export type Action<Input> = (context: Context, input: Input) => Promise<Answer>;

/** Runs an action with the context that the global options make. */
export type RunAction = (
  options: { readonly home: string | undefined },
  work: (context: Context) => Promise<Answer>,
) => Promise<void>;

/** Adds commands to a parent; every group of commands is such a function. */
export type DefineCommands = (parent: Command, run: RunAction) => void;

/**
 * Binds an action to a command. Its input holds the arguments under their names and the options under theirs.
 * @param load imports the action's file
 */
export function act<Input>(command: Command, run: RunAction, load: () => Promise<Action<Input>>): Command {
  return command.action(async () => {
    const input: Record<string, unknown> = { ...command.optsWithGlobals() };
    command.registeredArguments.forEach((argument, position) => {
      input[argument.name()] = command.processedArgs[position] as unknown;
    });
    const action = await load();
    await run({ home: input["home"] as string | undefined }, (context) => action(context, input as Input));
  });
}

/** Adds lines that a reader can copy to the command's help. */
export function withExamples(command: Command, ...examples: readonly string[]): Command {
  const lines = examples.map((line) => `  $ npx cellplane ${line}`);
  return command.addHelpText("after", `\nExamples:\n${lines.join("\n")}`);
}

/** An argument that takes one of a closed set of words. */
export function wordArgument(name: string, description: string, words: readonly string[]): Argument {
  return new Argument(`<${name}>`, description).choices([...words]);
}

/** An option that takes one of a closed set of words. */
export function wordOption(flags: string, description: string, words: readonly string[]): Option {
  return new Option(flags, description).choices([...words]);
}
