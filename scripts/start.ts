/** `npm start`: brings up a whole fleet on this machine. `npm start -- --help` lists what it takes. */
import process from "node:process";
import { parseStartArguments, UsageError, usage } from "./fleet/arguments.ts";
import { root, SetupError } from "./lib/bootstrap.mjs";
import { progress } from "./setup/progress.ts";
import { prepareStart } from "./setup/start.ts";

try {
  const options = parseStartArguments(process.argv.slice(2), root);
  if (options === null) console.log(usage);
  else {
    progress.say("Looking for what a fleet needs:");
    await prepareStart();
  }
} catch (error) {
  if (error instanceof UsageError) {
    progress.say(`${error.message}\n\n${usage}`);
    process.exitCode = 2;
  } else if (error instanceof SetupError) {
    progress.say(error.message);
    process.exitCode = 1;
  } else throw error;
}
