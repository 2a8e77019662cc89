import { Command } from "commander";
import type { RunAction } from "./command.ts";
import { defineApps } from "./commands/apps.ts";
import { defineBackups } from "./commands/backups.ts";
import { defineCells } from "./commands/cells.ts";
import { defineDns } from "./commands/dns.ts";
import { defineFleet } from "./commands/fleet.ts";
import { defineLine } from "./commands/line.ts";
import { defineJobs } from "./commands/jobs.ts";
import { defineOperations } from "./commands/operations.ts";
import { defineOperators } from "./commands/operators.ts";
import { defineReleases } from "./commands/releases.ts";
import { defineRollouts } from "./commands/rollouts.ts";
import { defineWebhooks } from "./commands/webhooks.ts";
import { defineTenants } from "./commands/tenants.ts";

const closing = `
Every command takes --json (one JSON document on stdout, an error too) and --home. Exit codes: 0 done, 1 refused or
failed, 2 usage, 3 rolled back, halted, cancelled or waiting for a decision, 4 not reachable.`;

/** The whole command line; nothing of it runs before it is parsed. */
export function createProgram(surroundings: {
  readonly write: (text: string) => void;
  readonly run: RunAction;
}): Command {
  const program = new Command("cellplane")
    .description("Runs a multi-tenant service as many small, self-contained cells.")
    .option("--json", "exactly one JSON document on stdout, everything else on stderr")
    .option("--home <folder>", "the fleet's home (default: CELLPLANE_HOME, else .cellplane in the project's folder)")
    .helpCommand("help [command]", "show the help of a command")
    .addHelpText("after", closing);
  defineFleet(program, surroundings.run);
  defineCells(program, surroundings.run);
  defineTenants(program, surroundings.run);
  defineBackups(program, surroundings.run);
  defineJobs(program, surroundings.run);
  defineApps(program, surroundings.run);
  defineReleases(program, surroundings.run);
  defineRollouts(program, surroundings.run);
  defineLine(program, surroundings.run);
  defineOperations(program, surroundings.run);
  defineWebhooks(program, surroundings.run);
  defineOperators(program, surroundings.run);
  defineDns(program, surroundings.run);
  settle(program, surroundings.write);
  return program;
}

/** What holds for every command: errors are thrown, not printed; help goes to stdout and shows the global options. */
function settle(command: Command, write: (text: string) => void): void {
  command
    .exitOverride()
    .showSuggestionAfterError(true)
    .allowExcessArguments(false)
    .configureHelp({ showGlobalOptions: command.parent !== null })
    .configureOutput({ writeOut: write, writeErr: ignore, outputError: ignore });
  for (const child of command.commands) settle(child, write);
}

/** What commander would print is in the error that it throws; it is printed once, as a problem. */
function ignore(): void {}
