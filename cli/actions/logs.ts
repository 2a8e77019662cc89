import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { homePaths } from "../../common/contracts/home.ts";
import { cellId } from "../../common/ids.ts";
import type { Answer, Context } from "../context.ts";
import { cliError } from "../errors.ts";

/** The end of a log that is looked at for its last lines; a thousand structured lines fit. */
const tailBytes = 512 * 1024;
const followMs = 300;

interface LogsInput {
  readonly cell: string;
  readonly lines: number;
  readonly role?: string;
  readonly follow?: boolean;
}

interface ProcessLog {
  readonly process: string;
  readonly path: string;
  readonly lines: readonly string[];
}

/** `cell logs`: straight from the files, so that it works with everything dead. */
export async function showLogs(context: Context, input: LogsInput): Promise<Answer> {
  const fleet = await context.fleet();
  const known = fleet.cells.find((cell) => cell.id === input.cell);
  if (known === undefined)
    throw cliError(
      "usage",
      `This fleet has no cell ${input.cell}; it has ${fleet.cells.map((cell) => cell.id).join(", ")}.`,
    );
  if (input.follow === true && context.json)
    throw cliError("usage", "--follow never ends, so there is no one JSON document.");
  const paths = await logsOf(join(context.home, homePaths.logs), cellId(input.cell), input.role);
  const logs: ProcessLog[] = await Promise.all(
    paths.map(async ({ process, path }) => ({ process, path, lines: (await tail(path)).slice(-input.lines) })),
  );
  if (input.follow === true) await follow(context, logs);
  return { json: { cell: input.cell, logs }, text: logs.map(logText).join("\n\n") };
}

async function logsOf(
  folder: string,
  cell: string,
  role: string | undefined,
): Promise<{ process: string; path: string }[]> {
  const shape = new RegExp(`^${cell}-(${role ?? "api|worker|postgres|redis"})(-[ab])?\\.log$`);
  const names = await namesIn(folder);
  return names
    .filter((name) => shape.test(name))
    .toSorted()
    .map((name) => ({ process: name.slice(0, -".log".length), path: join(folder, name) }));
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

async function tail(path: string): Promise<string[]> {
  const { size } = await stat(path);
  const begin = Math.max(0, size - tailBytes);
  const lines = (await readFrom(path, begin, size)).split("\n");
  // The first line of a piece from the middle is half a line.
  if (begin > 0) lines.shift();
  return lines.filter((line) => line !== "");
}

async function readFrom(path: string, begin: number, end: number): Promise<string> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(end - begin), 0, end - begin, begin);
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Ends only with the process (Ctrl-C). A log that became shorter has been rotated and is read from its beginning. */
async function follow(context: Context, logs: readonly ProcessLog[]): Promise<never> {
  context.progress(`${logs.map(logText).join("\n\n")}\n`);
  const positions = new Map<string, number>();
  for (const { path } of logs) positions.set(path, (await stat(path)).size);
  for (;;) {
    await sleep(followMs);
    for (const { process, path } of logs) {
      const { size } = await stat(path);
      const known = positions.get(path) ?? 0;
      const begin = size < known ? 0 : known;
      if (size === begin) continue;
      const text = await readFrom(path, begin, Math.min(size, begin + tailBytes));
      const whole = text.slice(0, text.lastIndexOf("\n") + 1);
      positions.set(path, begin + Buffer.byteLength(whole));
      for (const line of whole.split("\n")) if (line !== "") context.progress(`${process}  ${line}\n`);
    }
  }
}

function logText(log: ProcessLog): string {
  return [`── ${log.process} (${log.path})`, ...(log.lines.length === 0 ? ["(empty)"] : log.lines)].join("\n");
}
