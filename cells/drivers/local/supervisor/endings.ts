import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";

/** How much of the end of a log is read for a reason. */
const tailBytes = 4_096;

/** What a process's last words say about why it ended, most telling first. */
const lastWords: readonly (readonly [RegExp, string])[] = [
  [/heap out of memory/i, "its heap was full"],
  [/no space left on device|ENOSPC/i, "its disk is full"],
  [/EADDRINUSE|address already in use/i, "its port is taken"],
];

/**
 * The end of a process in the words of its status: what the kernel said, and the reason where one is known.
 * @param how `exit 1`, a signal's name, or `gone` where nobody saw it.
 * @param outOfMemory whether the kernel killed something for want of memory around that time.
 */
export function describeEnd(how: string, log: string, outOfMemory: boolean): string {
  if (outOfMemory && (how === "SIGKILL" || how === "gone")) return `${how} (the machine was out of memory)`;
  // SIGKILL and SIGTERM leave no words; what stands in the log then is of before.
  if (how === "SIGKILL" || how === "SIGTERM" || how === "SIGINT" || how === "exit 0") return how;
  const tail = tailOf(log);
  const known = lastWords.find(([words]) => words.test(tail));
  return known === undefined ? how : `${how} (${known[1]})`;
}

function tailOf(path: string): string {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch {
    // No log, no words.
    return "";
  }
  try {
    const { size } = fstatSync(descriptor);
    const buffer = Buffer.alloc(Math.min(size, tailBytes));
    const read = readSync(descriptor, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString("utf8", 0, read);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Counts the kernel's killings for want of memory (proc(5), vmstat `oom_kill`, which counts those of control groups too). They are
 * nobody's in particular: a SIGKILL that we did not send, while the count rose, is taken for one.
 */
export class MemoryKills {
  #earlier: number;
  #latest: number;

  constructor() {
    this.#earlier = readKills();
    this.#latest = this.#earlier;
  }

  /** To be called now and then; `recently` looks back to the call before the last. */
  look(): void {
    this.#earlier = this.#latest;
    this.#latest = readKills();
  }

  get recently(): boolean {
    return readKills() > this.#earlier;
  }
}

function readKills(): number {
  try {
    return Number(/^oom_kill ([0-9]+)$/m.exec(readFileSync("/proc/vmstat", "utf8"))?.[1] ?? 0);
  } catch {
    // A kernel that does not count them.
    return 0;
  }
}
