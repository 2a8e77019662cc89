import type { Line, SetLine } from "../../common/contracts/rollout-records.ts";
import type { Answer, Context } from "../context.ts";

/** `line show` */
export async function showLine(context: Context): Promise<Answer> {
  return answerOf(await (await context.controlPlane()).get<Line>("/v1/line"));
}

/** `line stop` */
export async function stopLine(context: Context, { reason }: { readonly reason: string }): Promise<Answer> {
  return await setLine(context, { stopped: true, reason });
}

/** `line release` */
export async function releaseLine(context: Context, { reason }: { readonly reason: string }): Promise<Answer> {
  return await setLine(context, { stopped: false, reason });
}

async function setLine(context: Context, line: SetLine): Promise<Answer> {
  return answerOf(await (await context.controlPlane()).put<Line>("/v1/line", line));
}

function answerOf(line: Line): Answer {
  const state = line.stopped ? "The line is stopped: no rollout begins or goes on." : "The line runs.";
  const who =
    line.by === null ? "" : ` ${line.stopped ? "Stopped" : "Released"} by ${line.by} at ${line.since}: ${line.reason}`;
  return { json: line, text: `${state}${who}` };
}
