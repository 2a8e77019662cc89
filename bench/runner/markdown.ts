import type { Bench, Report, Row } from "./contract.ts";

/** A report as Markdown: question, goal, one table, notes, versions. */
export function markdownOf(name: string, bench: Bench, report: Report, versions: readonly string[]): string {
  const head: Row = { contender: "contender", size: "size", median: "median", min: "min", max: "max", ratio: "ratio" };
  const cells = (row: Row): string =>
    `| ${[row.contender, row.size, row.median, row.min, row.max, row.ratio].join(" | ")} |`;
  return [
    `## ${titleOf(name, bench)}`,
    "",
    bench.question,
    "",
    `Goal: ${bench.goal}.`,
    "",
    cells(head),
    "|---|---|--:|--:|--:|--:|",
    ...report.rows.map(cells),
    "",
    ...report.notes.map((note) => `- ${note}`),
    `- ${report.wrong === 0 ? "Every answer was right." : `${report.wrong} answers were wrong or failed.`}`,
    ...(versions.length === 0 ? [] : [`- Versions: ${versions.join("; ")}.`]),
    "",
  ].join("\n");
}

/** What a benchmark is called on the page: its number, where it has one, and its folder. */
export function titleOf(name: string, bench: Bench): string {
  return bench.number === null ? name : `${bench.number.toUpperCase()} · ${name}`;
}
