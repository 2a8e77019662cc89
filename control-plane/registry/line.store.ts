import type { Line } from "../../common/contracts/rollout-records.ts";
import type { Queryable } from "../../common/postgres/pool.ts";

interface Row extends Omit<Line, "since"> {
  readonly since: Date | null;
}

const columns = "stopped, by, reason, since";
const lineOf = (row: Row): Line => ({ ...row, since: row.since?.toISOString() ?? null });

export async function readLine(db: Queryable): Promise<Line> {
  return oneOf((await db.query<Row>(`SELECT ${columns} FROM line`)).rows);
}

/** The line as it stays until the transaction has ended. */
export async function holdLine(tx: Queryable): Promise<Line> {
  return oneOf((await tx.query<Row>(`SELECT ${columns} FROM line FOR SHARE`)).rows);
}

/** @returns the line as it is now; null where it was so already. */
export async function writeLine(
  tx: Queryable,
  line: { readonly stopped: boolean; readonly by: string; readonly reason: string; readonly at: Date },
): Promise<Line | null> {
  const text = `UPDATE line SET stopped = $1, by = $2, reason = $3, since = $4 WHERE stopped <> $1 RETURNING ${columns}`;
  const [row] = (await tx.query<Row>(text, [line.stopped, line.by, line.reason, line.at])).rows;
  return row === undefined ? null : lineOf(row);
}

function oneOf(rows: readonly Row[]): Line {
  const [row] = rows;
  if (row === undefined) throw new Error("the line's row is missing");
  return lineOf(row);
}
