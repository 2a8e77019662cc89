// `npm run bench`: see scripts/bench.ts.
import process from "node:process";
import { boot, ensurePackages, handOver } from "./lib/bootstrap.mjs";

await boot(async () => {
  await ensurePackages();
  await handOver("scripts/bench.ts", process.argv.slice(2));
});
