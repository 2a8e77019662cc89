import { CommanderError } from "commander";
import { CellplaneError, toProblem } from "../common/errors.ts";
import type { Problem } from "../common/contracts/problem.ts";
import type { CliSettings } from "./config.ts";
import { type Answer, type Context, createContext, type Terminal } from "./context.ts";
import { cliError, RemoteProblem } from "./errors.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import { homeFolder } from "./home.ts";
import { createProgram } from "./program.ts";
import { problemText } from "./text.ts";

interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** What surrounds one run of the command line. */
export interface Surroundings {
  readonly settings: CliSettings;
  readonly stdout: Stream;
  readonly stderr: Stream;
}

/** Codes of answers that mean "the part behind the control plane is not there", which scripts tell from a refusal. */
const unreachableCodes: ReadonlySet<string> = new Set([
  "no-fleet",
  "control-plane-unreachable",
  "supervisor-unreachable",
  "aggregator-unreachable",
]);

/**
 * Runs one command. Under --json stdout gets exactly one JSON document, the problem document where the command is refused.
 * @param argv the words after the program's name
 */
export async function runCommandLine(argv: readonly string[], surroundings: Surroundings): Promise<ExitCode> {
  const { stdout, stderr, settings } = surroundings;
  const json = argv.includes("--json") && !argv.includes("--help");
  let exit: ExitCode = exitCodes.done;
  const program = createProgram({
    write: (text) => stdout.write(text),
    run: async (options, work) => {
      const context: Context = createContext({
        home: homeFolder(options.home ?? settings.home),
        token: settings.token,
        json,
        terminal: !json && settings.decorated ? terminalOf(stdout) : null,
        piped: !json && stdout.isTTY !== true,
        progress: (text) => (json ? stderr : stdout).write(text),
        remark: (text) => stderr.write(text),
      });
      exit = print(await work(context), json, stdout);
    },
  });
  try {
    await program.parseAsync([...(argv[0] === "--version" || argv[0] === "-V" ? ["version"] : argv)], { from: "user" });
    return exit;
  } catch (error) {
    // Help that was asked for is no error; it has been written already.
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.done;
    const problem = toKnownProblem(error);
    if (problem.code === "unforeseen") stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    if (json) stdout.write(`${JSON.stringify(problem, null, 2)}\n`);
    stderr.write(`${problemText(problem)}\n`);
    return exitOf(error, problem);
  }
}

/** A terminal that does not know its size says 0. */
function terminalOf(stdout: Stream): Terminal | null {
  return stdout.isTTY === true ? { columns: () => stdout.columns || 80, rows: () => stdout.rows || 24 } : null;
}

function print(answer: Answer, json: boolean, stdout: Stream): ExitCode {
  if (json) stdout.write(`${JSON.stringify(answer.json, null, 2)}\n`);
  else if (answer.text !== "") stdout.write(`${answer.text}\n`);
  return answer.exit ?? exitCodes.done;
}

function toKnownProblem(error: unknown): Problem {
  if (error instanceof RemoteProblem) return error.problem;
  if (error instanceof CellplaneError) return toProblem(error);
  if (error instanceof CommanderError) return toProblem(cliError("usage", usageText(error)));
  return toProblem(cliError("unforeseen", error instanceof Error ? error.message : String(error), { cause: error }));
}

/** Commander's own words, without its prefix; a bare `cellplane tenant` has none. */
function usageText(error: CommanderError): string {
  const text = error.message.replace(/^error: /, "").trim();
  return text === "" || text === "(outputHelp)" ? "A command is missing." : text;
}

function exitOf(error: unknown, problem: Problem): ExitCode {
  if (error instanceof CommanderError || problem.code === "usage") return exitCodes.usage;
  return unreachableCodes.has(problem.code) ? exitCodes.unreachable : exitCodes.failed;
}
