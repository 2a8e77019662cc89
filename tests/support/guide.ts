import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/lib/bootstrap.mjs";

/** A change to a file that the guide shows: what stood there, and what stands there then. */
export interface GuideChange {
  readonly file: string;
  readonly before: string;
  readonly after: string;
}

export interface Guide {
  /** Text by file, its blocks one after the other with a blank line between. */
  readonly files: ReadonlyMap<string, string>;
  readonly changes: readonly GuideChange[];
}

/** What a reader of docs/write-a-cell-app.md types: each block of code says after its language which file it belongs to. */
export function readGuide(): Guide {
  const text = readFileSync(join(root, "docs/write-a-cell-app.md"), "utf8");
  const files = new Map<string, string>();
  const changes: GuideChange[] = [];
  for (const [, language = "", file = "", code = ""] of text.matchAll(/^```(\w+) (\S+)\n([\s\S]*?)^```$/gm)) {
    if (language === "diff") changes.push(changeOf(file, code));
    else files.set(file, files.has(file) ? `${files.get(file)}\n${code}` : code);
  }
  return { files, changes };
}

function changeOf(file: string, code: string): GuideChange {
  const lines = code.split("\n").slice(0, -1);
  const side = (mark: string): string =>
    lines
      .filter((line) => line === "" || line.startsWith(" ") || line.startsWith(mark))
      .map((line) => `${line.slice(1)}\n`)
      .join("");
  return { file, before: side("-"), after: side("+") };
}

/** A file's text with a change made. @throws when the place is not there, or there more than once. */
export function changed(text: string, { file, before, after }: GuideChange): string {
  if (text.split(before).length !== 2) throw new Error(`${file} does not hold exactly once:\n${before}`);
  return text.replace(before, () => after);
}
