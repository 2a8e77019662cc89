// `npm run docs`: see scripts/docs/generate.ts.
import process from "node:process";
import { boot, ensurePackages, handOver } from "../lib/bootstrap.mjs";

await boot(async () => {
  await ensurePackages();
  await handOver("scripts/docs/generate.ts", process.argv.slice(2));
});
