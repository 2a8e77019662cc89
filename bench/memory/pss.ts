import { readdirSync, readFileSync } from "node:fs";

/**
 * Memory of a process and of all that it started, in bytes: the proportional set size, in which a page that several share counts once (proc(5)).
 * Processes that end meanwhile count nothing.
 */
export function pssOf(pid: number): number {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const parent = /^\d+$/.test(name) ? parentOf(Number(name)) : undefined;
    if (parent !== undefined) parents.set(Number(name), parent);
  }
  const family = [...parents.keys()].filter((each) => descends(each, pid, parents));
  return family.reduce((sum, each) => sum + ownPss(each), 0);
}

function descends(pid: number, ancestor: number, parents: ReadonlyMap<number, number>): boolean {
  for (let at: number | undefined = pid; at !== undefined && at > 1; at = parents.get(at))
    if (at === ancestor) return true;
  return false;
}

function parentOf(pid: number): number | undefined {
  // The name in parentheses may hold anything, a parenthesis too.
  const text = readProc(pid, "stat");
  return text === undefined ? undefined : Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]);
}

function ownPss(pid: number): number {
  const kilobytes = /^Pss:\s+(\d+) kB$/m.exec(readProc(pid, "smaps_rollup") ?? "")?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

function readProc(pid: number, file: "stat" | "smaps_rollup"): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return undefined;
    throw error;
  }
}
