// `npm test`: see scripts/test.ts.
import process from "node:process";
import { boot, ensurePackages, handOver } from "./lib/bootstrap.mjs";

await boot(async () => {
  await ensurePackages();
  await handOver("scripts/test.ts", process.argv.slice(2));
});
