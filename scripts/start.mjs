// `npm start`: see scripts/start.ts.
import process from "node:process";
import { boot, ensurePackages, handOver } from "./lib/bootstrap.mjs";

await boot(async () => {
  await ensurePackages();
  await handOver("scripts/start.ts", process.argv.slice(2));
});
