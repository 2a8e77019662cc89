import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../lib/bootstrap.mjs";
import { allTestFiles, type TestFile } from "../testing/groups.ts";
import { kinds, type Kind } from "./list.ts";

/** `fault 4`, `attack 17`: what a test bears at the beginning of its name. */
export type TroubleNumber = `${Kind} ${number}`;

export interface NumberedTest {
  readonly number: TroubleNumber;
  readonly name: string;
  readonly file: TestFile;
}

const numberedName = new RegExp(`^(${kinds.join("|")}) ([1-9][0-9]*): `);
// The name is the first argument, on the same line or the next.
const testCall = /(?<![.\w])(?:test|it)\(\s*(["'`])((?:fault|attack) [1-9][0-9]*: (?:\\.|(?!\1)[^\\])*)\1/g;

/** What makes node run the tests of these numbers; it matches a name after those of the suites around it. */
export function namePattern(numbers: ReadonlySet<TroubleNumber>): string {
  return `/(^| )(${[...numbers].join("|")}): /`;
}

/** The number that a test's name begins with; undefined where it bears none. */
export function numberOf(name: string): TroubleNumber | undefined {
  const found = numberedName.exec(name);
  return found === null ? undefined : `${found[1] as Kind} ${Number(found[2])}`;
}

/** Every test whose name begins with a number, in the order of the files. */
export function scanTests(): NumberedTest[] {
  return allTestFiles().flatMap((file) =>
    testsIn(readFileSync(join(root, file.path), "utf8")).map(({ number, name }) => ({ number, name, file })),
  );
}

/** The numbered tests of a source. */
export function testsIn(source: string): { number: TroubleNumber; name: string }[] {
  return [...source.matchAll(testCall)].flatMap(([, , raw = ""]) => {
    const name = raw.replaceAll(/\\(.)/g, "$1");
    const number = numberOf(name);
    return number === undefined ? [] : [{ number, name }];
  });
}
