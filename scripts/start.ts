/** `npm start`: brings up a whole fleet on this machine. `npm start -- --help` lists what it takes. */
import process from "node:process";
import { CellplaneError } from "../common/errors.ts";
import { ApiError } from "./fleet/api.ts";
import { parseStartArguments, UsageError, usage, type StartOptions } from "./fleet/arguments.ts";
import { stayWith } from "./fleet/foreground.ts";
import { reportText } from "./fleet/report.ts";
import { bringUp } from "./fleet/up.ts";
import { root, SetupError } from "./lib/bootstrap.mjs";
import { progress } from "./setup/progress.ts";

async function start(options: StartOptions): Promise<void> {
  const { supervisor, file, ingredients, report } = await bringUp(options);
  if (options.json) console.log(JSON.stringify(report, null, 2));
  else console.log(reportText(report, file, ingredients.temporal));
  if (!options.detach) await stayWith(options.home, supervisor);
}

try {
  const options = parseStartArguments(process.argv.slice(2), root);
  if (options === null) console.log(usage);
  else await start(options);
} catch (error) {
  if (error instanceof UsageError) {
    progress.say(`${error.message}\n\n${usage}`);
    process.exitCode = 2;
  } else if (error instanceof SetupError || error instanceof ApiError) {
    progress.say(error.message);
    process.exitCode = 1;
  } else if (error instanceof CellplaneError) {
    progress.say(`${error.definition.title}: ${error.message}\n${error.definition.todo}`);
    if (error.cause instanceof Error) progress.say(error.cause.message);
    process.exitCode = 1;
  } else throw error;
}
