import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { root } from "../lib/bootstrap.mjs";
import { groups, type TestFile } from "./groups.ts";
import { endLeftovers } from "./leftovers.ts";

interface TestEvent {
  readonly type: "start" | "pass" | "fail" | "note" | "end";
  readonly name?: string;
  readonly nesting?: number;
  readonly tookMs?: number;
  readonly suite?: boolean;
  /** Skipped, or marked as to be done. */
  readonly unrun?: boolean;
  /** Failed only because a test inside it did. */
  readonly parent?: boolean;
  readonly text?: string;
}

export interface Failure {
  readonly name: string;
  readonly text: string;
}

/** A test that ran to its end. */
export interface TestResult {
  readonly name: string;
  readonly passed: boolean;
  readonly tookMs: number;
}

export interface FileResult {
  readonly file: TestFile;
  /** Every test that ran, suites left out. */
  readonly tests: readonly TestResult[];
  readonly passed: number;
  readonly failures: readonly Failure[];
  readonly tookMs: number;
  /** The end of what it wrote. */
  readonly output: string;
}

const outputLimit = 64_000;
const running = new Set<number>();

/** Ends the files that are running, with everything in their process groups. */
export function killRunning(): void {
  for (const pid of running) killGroup(pid);
}

/**
 * Runs one test file as a process of its own, in a process group of its own, with a temporary folder of its own.
 * A test that was skipped is a failure: what did not run shows nothing.
 * @param folder where it may keep its temporary files; it is made here.
 * @param namePattern runs only the tests whose names match, in the form of node's `--test-name-pattern`.
 */
export async function runFile(file: TestFile, folder: string, namePattern?: string): Promise<FileResult> {
  const began = performance.now();
  const events = join(folder, "events.jsonl");
  const temporary = join(folder, "tmp");
  const marker = `CELLPLANE_TEST_FILE=${randomUUID()}`;
  await mkdir(temporary, { recursive: true });
  const { CELLPLANE_HOME: _, ...inherited } = process.env;
  const child = spawn(
    process.execPath,
    [
      ...(namePattern === undefined ? [] : ["--test-name-pattern", namePattern]),
      "--test-reporter",
      join(root, "scripts/testing/events.mjs"),
      "--test-reporter-destination",
      events,
      file.path,
    ],
    {
      cwd: root,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...inherited, TMPDIR: temporary, CELLPLANE_TEST_FILE: marker.slice(marker.indexOf("=") + 1) },
    },
  );
  const pid = child.pid;
  if (pid !== undefined) running.add(pid);
  let output = "";
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-outputLimit);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  let late = false;
  const limitMs = groups[file.group].limitMs;
  const timer = setTimeout(() => {
    late = true;
    if (pid !== undefined) killGroup(pid);
  }, limitMs);
  // `exit`, not `close`: a process that it left behind may hold its output open for ever.
  const ended = await new Promise<string | undefined>((resolve) => {
    child.on("error", (error) => resolve(`cannot be started: ${error.message}`));
    child.on("exit", (code, signal) => resolve(code === 0 ? undefined : `ended with ${signal ?? `code ${code}`}`));
  });
  clearTimeout(timer);
  if (pid !== undefined) running.delete(pid);
  const left = await endLeftovers(marker, folder);
  child.stdout.destroy();
  child.stderr.destroy();

  const seen = await readEvents(events);
  const failures = seen.flatMap((event) => failureOf(event));
  const tests = seen.filter((event) => event.suite !== true && event.unrun !== true).flatMap(testOf);
  const passed = tests.filter((test) => test.passed).length;
  const notes = seen.flatMap((event) => (event.type === "note" ? [event.text ?? ""] : []));
  if (late) {
    failures.push({ name: "(the file)", text: `was still running after ${limitMs / 1000} s${unfinished(seen)}` });
  } else if (ended !== undefined && failures.length === 0) {
    failures.push({ name: "(the file)", text: [`${ended}${unfinished(seen)}`, ...notes].join("\n") });
  } else if (!seen.some((event) => event.type === "end")) {
    failures.push({ name: "(the file)", text: `ended before its tests did, or has none${unfinished(seen)}` });
  }
  if (left.length > 0) {
    const list = left.map((process) => `  ${process.pid} ${process.command}`).join("\n");
    failures.push({ name: "(the file)", text: `left processes running, now killed:\n${list}` });
  }
  return { file, tests, passed, failures, tookMs: performance.now() - began, output };
}

function testOf(event: TestEvent): TestResult[] {
  if (event.type !== "pass" && event.type !== "fail") return [];
  return [{ name: event.name ?? "", passed: event.type === "pass", tookMs: event.tookMs ?? 0 }];
}

function failureOf(event: TestEvent): Failure[] {
  const name = event.name ?? "";
  if (event.unrun === true) return [{ name, text: "was not run: a skipped test shows nothing" }];
  return event.type === "fail" && event.parent !== true ? [{ name, text: event.text ?? "" }] : [];
}

/** Which tests had begun and not ended, for somebody who wonders what hangs. */
function unfinished(events: readonly TestEvent[]): string {
  const open = new Map<string, number>();
  for (const event of events) {
    const key = `${event.nesting}:${event.name}`;
    if (event.type === "start") open.set(key, (open.get(key) ?? 0) + 1);
    else open.set(key, (open.get(key) ?? 0) - 1);
  }
  const names = [...open].filter(([, count]) => count > 0).map(([key]) => key.slice(key.indexOf(":") + 1));
  return names.length === 0 ? "" : `; unfinished: ${names.join(" › ")}`;
}

async function readEvents(path: string): Promise<TestEvent[]> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  });
  // A process that was killed may have left half a line.
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  return whole
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as TestEvent);
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
