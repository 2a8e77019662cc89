// `npm run chaos`: see scripts/chaos.ts.
import process from "node:process";
import { boot, ensurePackages, handOver } from "./lib/bootstrap.mjs";

await boot(async () => {
  await ensurePackages();
  await handOver("scripts/chaos.ts", process.argv.slice(2));
});
