// `npm run check`, `npm run fix`: see scripts/check.ts.
import process from "node:process";
import { boot, ensurePackages, handOver } from "./lib/bootstrap.mjs";

await boot(async () => {
  await ensurePackages();
  await handOver("scripts/check.ts", process.argv.slice(2));
});
