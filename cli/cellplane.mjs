#!/usr/bin/env node
// The command `cellplane`: plain JavaScript, so that it starts on an older Node; the program is cli/main.ts.
import process from "node:process";
import { boot, handOver, packagesPresent } from "../scripts/lib/bootstrap.mjs";

await boot(async () => {
  if (!packagesPresent()) {
    process.stderr.write("cellplane: nothing is installed here yet; run `npm start` first\n");
    process.exitCode = 1;
    return;
  }
  await handOver("cli/main.ts", process.argv.slice(2));
});
