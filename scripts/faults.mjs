// `npm run faults`: see scripts/faults.ts.
import process from "node:process";
import { boot, ensurePackages, handOver } from "./lib/bootstrap.mjs";

await boot(async () => {
  await ensurePackages();
  await handOver("scripts/faults.ts", process.argv.slice(2));
});
