import { globSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import process from "node:process";
import { root } from "../lib/bootstrap.mjs";

/**
 * The kinds of tests, in the order in which they run: what fails fast comes first.
 * `atOnce` suits two cores: a unit test keeps one busy, integration tests wait for their databases much of the time, and
 * an end-to-end test starts a whole fleet. `limitMs` is for one file; beyond it the file hangs.
 */
export const groups = {
  unit: { atOnce: 2, limitMs: 60_000 },
  workflow: { atOnce: 2, limitMs: 180_000 },
  integration: { atOnce: 2, limitMs: 300_000 },
  e2e: { atOnce: 1, limitMs: 900_000 },
} as const;
export type Group = keyof typeof groups;
export const groupNames = Object.keys(groups) as Group[];

export interface TestFile {
  readonly group: Group;
  /** From the clone's root. */
  readonly path: string;
}

/** All test files, group by group. */
export function allTestFiles(): TestFile[] {
  return groupNames.flatMap((group) =>
    globSync(`tests/${group}/**/*.test.ts`, { cwd: root })
      .toSorted()
      .map((path) => ({ group, path })),
  );
}

/**
 * The files that the arguments name: a group, a path (from the clone or from where the caller stands), or a part of a path.
 * @throws RangeError naming the argument that names no file.
 */
export function chosen(files: readonly TestFile[], names: readonly string[]): TestFile[] {
  if (names.length === 0) return [...files];
  const wanted = new Set<TestFile>();
  for (const name of names) {
    const path = relative(root, resolve(process.env["INIT_CWD"] ?? process.cwd(), name));
    const found = files.filter(
      (file) => file.group === name || file.path === path || file.path === name || file.path.includes(name),
    );
    if (found.length === 0 && !isGroup(name)) throw new RangeError(`no test file is called or contains ${join(name)}`);
    for (const file of found) wanted.add(file);
  }
  return files.filter((file) => wanted.has(file));
}

function isGroup(name: string): name is Group {
  return Object.hasOwn(groups, name);
}
