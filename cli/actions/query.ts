import type { Coverage, QueryAnswer } from "../../common/contracts/rollups.ts";
import type { Answer, Context } from "../context.ts";
import { duration, table } from "../text.ts";

interface QueryInput {
  readonly name: string;
  readonly by: string;
  readonly from?: string;
  readonly to?: string;
  readonly completeness?: string;
}

/** `query <aggregate> --by …` */
export async function askQuery(context: Context, input: QueryInput): Promise<Answer> {
  const wishes = new URLSearchParams({ by: input.by });
  for (const name of ["from", "to", "completeness"] as const) {
    const wish = input[name];
    if (wish !== undefined) wishes.set(name, wish);
  }
  const plane = await context.controlPlane();
  const answer = await plane.get<QueryAnswer>(`/v1/query/${encodeURIComponent(input.name)}?${wishes.toString()}`);
  const rows = table(
    [input.by.toUpperCase(), input.name.toUpperCase()],
    answer.rows.map((row) => [row.key, row.value]),
  );
  return { json: answer, text: `${rows}\n\n${coverageText(answer.coverage, Date.now())}` };
}

/** What an answer contains, in words; a part that is missing comes first. */
export function coverageText(coverage: Coverage, nowMs: number): string {
  const lines = [
    coverage.complete
      ? `Complete: all ${coverage.expected.length} cells answered.`
      : `PARTIAL: ${coverage.answered.length} of ${coverage.expected.length} cells answered.`,
  ];
  if (coverage.failed.length > 0) lines.push(`  left out   ${coverage.failed.join(", ")}`);
  if (coverage.stale.length > 0) lines.push(`  old        ${coverage.stale.join(", ")}`);
  const ages = coverage.expected.map((cell) => {
    const at = coverage.asOf[cell] ?? null;
    return `${cell} ${at === null ? "never" : `${duration((nowMs - Date.parse(at)) / 1000)} ago`}`;
  });
  lines.push(`  as of      ${ages.join(", ")}`);
  return lines.join("\n");
}
