import { cliSettings } from "./config.ts";
import { runCommandLine } from "./run.ts";

// A reader that has had enough (`cellplane … | head -1`) is no fault of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

process.exitCode = await runCommandLine(process.argv.slice(2), {
  settings: cliSettings(),
  stdout: process.stdout,
  stderr: process.stderr,
});
