import { kinds, troubles, type Kind } from "./list.ts";
import { scanTests, type TroubleNumber } from "./scan.ts";

/** docs/faults.md, from the list and from the tests that bear its numbers. */
export function faultsPage(): string {
  const files = new Map<TroubleNumber, Set<string>>();
  for (const { number, file } of scanTests()) files.set(number, (files.get(number) ?? new Set()).add(file.path));
  const rows = (kind: Kind): string[] =>
    troubles[kind].map(({ number, what, must }) => {
      const shown = [...(files.get(`${kind} ${number}`) ?? [])].map((path) => `[\`${short(path)}\`](../${path})`);
      return `| ${number} | ${what} | ${must} | ${shown.length === 0 ? notYet : shown.join("<br>")} |`;
    });
  const table = (kind: Kind): string[] => ["| # | what | must | shown by |", "|--:|---|---|---|", ...rows(kind), ""];
  return [
    "<!-- Made by `npm run docs` from scripts/faults/list.ts and the names of the tests. Change them, not this page. -->",
    "",
    "# Faults and attacks",
    "",
    "What may go wrong, what somebody may try, and what must hold then. A number keeps its meaning for ever; a test that shows one bears it at the",
    "beginning of its name (`fault 10: …`, `attack 17: …`). `npm run faults` runs exactly those tests and ends with `n/n`; a number that this page calls",
    "shown and that no test bears fails it. *Not yet* means that: nothing here shows it, whatever the code may already do.",
    "",
    "Tests check errors, ownership, acknowledged writes and generous times. How much slower others become is measured, not tested: `npm run bench -- faults`.",
    "",
    "## Faults",
    "",
    ...table("fault"),
    "## Attacks and bad input",
    "",
    ...table("attack"),
  ].join("\n");
}

const notYet = "not yet";

function short(path: string): string {
  return path.slice("tests/".length).replace(/\.test\.ts$/, "");
}

/** The numbers that a page in that form calls shown. */
export function shownOn(page: string): Set<TroubleNumber> {
  const shown = new Set<TroubleNumber>();
  let kind: Kind | undefined;
  for (const line of page.split("\n")) {
    if (line.startsWith("## ")) kind = kinds.find((each) => line.toLowerCase().startsWith(`## ${each}`));
    const row = /^\| (\d+) \|.*\| (?!not yet \|)[^|]+ \|$/.exec(line);
    if (kind !== undefined && row !== null) shown.add(`${kind} ${Number(row[1])}`);
  }
  return shown;
}
