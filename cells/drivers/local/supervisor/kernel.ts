import { closeSync, readFileSync, readdirSync } from "node:fs";

/** A process and the moment it began: a pid alone may have been given to another process since. */
export interface ProcessIdentity {
  readonly pid: number;
  /** In clock ticks since the machine started; /proc/<pid>/stat, field 22. */
  readonly startTime: string;
}

interface Stat {
  readonly command: string;
  readonly state: string;
  readonly group: number;
  readonly session: number;
  readonly startTime: string;
}

/** proc(5): the second field is the command in brackets and may hold brackets itself, so the rest is read after the last one. */
function readStat(pid: number): Stat | null {
  const text = readProc(pid, "stat");
  if (text === null) return null;
  const end = text.lastIndexOf(")");
  const fields = text.slice(end + 2).split(" ");
  return {
    command: text.slice(text.indexOf("(") + 1, end),
    state: fields[0] ?? "",
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTime: fields[19] ?? "",
  };
}

/** Null when the process is gone, or may not be looked at. */
function readProc(pid: number, file: "stat" | "cmdline" | "environ"): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return null;
  }
}

/** A zombie is dead: it only waits to be collected, which a container's first process may never do. */
const isDead = (stat: Stat): boolean => stat.state === "Z" || stat.state === "X";

/** Who has this pid now; null when nobody lives under it. */
export function identify(pid: number): ProcessIdentity | null {
  const stat = readStat(pid);
  return stat === null || isDead(stat) ? null : { pid, startTime: stat.startTime };
}

/** Whether that very process still lives. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.startTime === identity.startTime;
}

function pids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number);
}

/**
 * What is left of a process: living members of its group, and whatever bears its mark and runs the same program.
 * @param leader the process as last known, null when it was never seen.
 */
export function leftovers(leader: ProcessIdentity | null, mark: string | null, program: string): number[] {
  // The leader's pid may belong to a stranger by now; then so does the group of that number.
  const stranger =
    leader !== null && readStat(leader.pid)?.startTime !== leader.startTime && readStat(leader.pid) !== null;
  return pids().filter((pid) => {
    const stat = readStat(pid);
    if (stat === null || isDead(stat)) return false;
    if (leader !== null && !stranger && stat.group === leader.pid) return true;
    // The kernel keeps 15 characters of the program's name.
    return (
      mark !== null && stat.command === program.slice(0, 15) && (readProc(pid, "cmdline")?.includes(mark) ?? false)
    );
  });
}

/** Leaders of sessions that were started with this variable in their environment. */
export function sessionsWith(variable: string, value: string): { readonly pid: number; readonly startTime: string }[] {
  const wanted = `${variable}=${value}`;
  return pids().flatMap((pid) => {
    const stat = readStat(pid);
    if (stat === null || isDead(stat) || stat.session !== pid) return [];
    return readProc(pid, "environ")?.split("\0").includes(wanted) ? [{ pid, startTime: stat.startTime }] : [];
  });
}

/** Sends a signal to a process, or with a negative pid to a group; a process that is gone needs none. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Changes at every start of the machine: pids and start times of before mean nothing. */
export function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

const closeOnExec = 0o2_000_000;

/**
 * Closes what we were left with by whoever started us: a pipe held open here would never end for its reader. Descriptors
 * that this process opened itself are marked close-on-exec; those that came through exec cannot be.
 */
export function closeInheritedDescriptors(): void {
  for (const name of readdirSync("/proc/self/fd")) {
    const descriptor = Number(name);
    if (descriptor <= 2) continue;
    const flags = inheritedFlags(descriptor);
    if (flags !== null && (flags & closeOnExec) === 0) closeSync(descriptor);
  }
}

function inheritedFlags(descriptor: number): number | null {
  try {
    const line = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8"));
    return line === null ? null : Number.parseInt(line[1] ?? "0", 8);
  } catch {
    // The descriptor of the listing itself is closed by now.
    return null;
  }
}
