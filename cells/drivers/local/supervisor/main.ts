import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import { systemClock } from "../../../../common/clock.ts";
import { supervisorVersion } from "../../../../common/contracts/supervisor.ts";
import { createLog } from "../../../../common/log.ts";
import { writeAtomically } from "../files.ts";
import { BackupSchedule } from "./backup-schedule.ts";
import { supervisorSettings } from "./config.ts";
import { Fleet } from "./fleet.ts";
import { closeInheritedDescriptors, identify } from "./kernel.ts";
import { homeTakenExit, lockHome } from "./lock.ts";
import { supervisorPaths } from "./paths.ts";
import { createSupervisorServer } from "./server.ts";

// The supervisor of a fleet home: main.ts --home DIR. SIGTERM and SIGINT stop everything it runs, and it; kill -9 stops it alone.

closeInheritedDescriptors();
const { values } = parseArgs({ options: { home: { type: "string" } } });
const { home } = values;
if (home === undefined) throw new TypeError("--home DIR is missing");
const settings = supervisorSettings();
const log = createLog("supervisor", settings.logLevel);
const paths = supervisorPaths(home);
for (const folder of [home, paths.folder, paths.logs, paths.compileCache])
  mkdirSync(folder, { recursive: true, mode: 0o700 });

const lock = await lockHome(home);
if (lock === null) {
  log.error({ event: "home-taken", home });
  process.exit(homeTakenExit);
}

const token = randomBytes(32).toString("base64url");
const fleet = new Fleet({
  home,
  clock: systemClock,
  log,
  environment: settings.environment,
  silentMs: settings.silentSeconds * 1000,
});
await fleet.begin();
const backups = new BackupSchedule({
  home,
  everyHours: settings.backupHours,
  environment: settings.environment,
  processes: () => fleet.list(),
  clock: systemClock,
  log,
});
backups.start();

const server = createSupervisorServer({ fleet, token, log, onShutdown: () => end() });
server.listen({ host: "127.0.0.1", port: 0 }, () => {
  const { port } = server.address() as AddressInfo;
  const { startTime } = identify(process.pid) ?? { startTime: "0" };
  const connection = {
    url: `http://127.0.0.1:${port}`,
    token,
    pid: process.pid,
    startTime,
    version: supervisorVersion,
  };
  void writeAtomically(paths.connection, `${JSON.stringify(connection)}\n`).then(() =>
    log.info({ event: "listening", url: connection.url }),
  );
});

function end(): void {
  backups.stop();
  rmSync(paths.connection, { force: true });
  log.info({ event: "ended" });
  process.exit(0);
}

let ending = false;
for (const name of ["SIGTERM", "SIGINT"] as const) {
  process.on(name, () => {
    if (ending) return;
    ending = true;
    log.info({ event: "stopping", signal: name });
    backups.stop();
    fleet.shutdown().then(end, (error: unknown) => {
      log.error({ event: "not-all-stopped", err: error });
      process.exit(1);
    });
  });
}
// A terminal that closes is no reason to stop a fleet.
process.on("SIGHUP", () => log.info({ event: "hangup-ignored" }));
