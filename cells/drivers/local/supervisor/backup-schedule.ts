import { spawn, type ChildProcess } from "node:child_process";
import { closeSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../../../common/clock.ts";
import type { ProcessStatus } from "../../../../common/contracts/supervisor.ts";
import type { CellId } from "../../../../common/ids.ts";
import type { Logger } from "../../../../common/log.ts";
import { isBackupDue } from "../backup/due.ts";
import { besideProcess } from "../backup/layout.ts";
import { backupBusyExit } from "../backup/lock.ts";
import { openLog } from "./logs.ts";
import { supervisorPaths } from "./paths.ts";

const lookEveryMs = 60_000;
const firstAfterMs = 180_000;
const hourMs = 3_600_000;
/** A cell whose backup failed is tried again after this; the log has said why. */
const againAfterMs = 600_000;
/** A backup that takes longer hangs. */
const longestMs = 2 * hourMs;

export interface BackupScheduleOptions {
  readonly home: string;
  /** Hours between two backups of a cell; 0: only by hand. */
  readonly everyHours: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly processes: () => readonly ProcessStatus[];
  readonly clock: Clock;
  readonly log: Logger;
  /** How often it looks, in milliseconds; shorter in tests. */
  readonly lookMs?: number;
}

/**
 * Has each cell backed up once a day. The supervisor is the one part that lives whatever else is dead; the work itself is a process of its own, at the
 * lowest priority and one at a time, so that neither its memory nor its end is the supervisor's.
 */
export class BackupSchedule {
  readonly #options: BackupScheduleOptions;
  readonly #failed = new Map<CellId, number>();
  #timer: NodeJS.Timeout | undefined;
  #child: ChildProcess | null = null;
  #stopped = false;

  constructor(options: BackupScheduleOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setTimeout(() => {
      void this.#look().finally(() => {
        if (!this.#stopped) this.start();
      });
    }, this.#options.lookMs ?? lookEveryMs);
  }

  /** Ends a backup that is under way; what it made so far counts for nothing. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#child?.kill("SIGTERM");
  }

  async #look(): Promise<void> {
    const { log } = this.#options;
    try {
      for (const { cell, clear } of await this.#due()) await this.#run(cell, clear);
    } catch (error) {
      log.error({ event: "backups-not-looked-at", err: error });
    }
  }

  async #due(): Promise<{ cell: CellId; clear: boolean }[]> {
    const { home, everyHours, processes, clock } = this.#options;
    const names = new Set(processes().map(({ name }) => name));
    const due: { cell: CellId; clear: boolean }[] = [];
    for (const { role, cell, state, since } of processes()) {
      if (role !== "postgres" || cell === null || state !== "running") continue;
      // Somebody restores beside it now, or was killed while doing so; the lock tells which.
      if (names.has(besideProcess(cell))) due.push({ cell, clear: true });
      if (everyHours === 0 || clock.now() - (this.#failed.get(cell) ?? -Infinity) < againAfterMs) continue;
      const rhythm = { everyMs: everyHours * hourMs, firstAfterMs };
      if (await isBackupDue(home, cell, rhythm, new Date(since), new Date(clock.now())))
        due.push({ cell, clear: false });
    }
    return due;
  }

  async #run(cell: CellId, clear: boolean): Promise<void> {
    if (this.#stopped) return;
    const { home, environment, clock, log } = this.#options;
    const paths = supervisorPaths(home);
    const output = openLog(paths.log("backups"));
    const main = fileURLToPath(new URL("../backup/main.ts", import.meta.url));
    const child = spawn(process.execPath, [main, "--home", home, "--cell", cell, ...(clear ? ["--clear"] : [])], {
      cwd: home,
      env: { ...environment, NODE_COMPILE_CACHE: paths.compileCache },
      stdio: ["ignore", output, output],
      timeout: longestMs,
    });
    closeSync(output);
    this.#child = child;
    if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
    const code = await new Promise<number | null>((resolve) => {
      child.once("error", () => resolve(null));
      child.once("exit", (status) => resolve(status));
    });
    this.#child = null;
    if (clear || code === backupBusyExit) return;
    if (code === 0) this.#failed.delete(cell);
    else this.#failed.set(cell, clock.now());
    log[code === 0 ? "info" : "error"]({ event: code === 0 ? "backed-up" : "backup-failed", cell, code });
  }
}
