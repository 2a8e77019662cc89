import type { Problem } from "../common/contracts/problem.ts";

/** Columns as wide as their widest cell; the last one is left ragged. An empty table is one line that says so. */
export function table(heads: readonly string[], rows: readonly (readonly (string | number | null)[])[]): string {
  if (rows.length === 0) return "none";
  const lines = [heads, ...rows.map((row) => row.map((cell) => (cell === null ? "-" : String(cell))))];
  const widths = heads.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column === line.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Names and values, one a line, values in one column. */
export function facts(pairs: readonly (readonly [string, string | number | null])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${value ?? "-"}`.trimEnd()).join("\n");
}

/** A problem for a person: what, why, what to do. */
export function problemText(problem: Problem): string {
  const lines = [`cellplane: ${problem.title}`];
  if (problem.detail !== "" && problem.detail !== problem.title) lines.push(`  why   ${indented(problem.detail)}`);
  if (problem.todo) lines.push(`  do    ${indented(problem.todo)}`);
  lines.push(`  code  ${problem.code}${problem.requestId === undefined ? "" : ` (request ${problem.requestId})`}`);
  return lines.join("\n");
}

function indented(text: string): string {
  return text.replaceAll("\n", "\n        ");
}

/** 75 → `1m 15s`; for waits and ages, so nothing below a second. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return whole % 60 === 0 ? `${minutes}m` : `${minutes}m ${whole % 60}s`;
  return `${Math.floor(minutes / 60)}h ${minutes % 60}m`;
}
