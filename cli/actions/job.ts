import type { DeadLetter, DeadLetterList, DiscardedJob, ReplayedJobs } from "../../common/contracts/jobs.ts";
import type { Answer, Context } from "../context.ts";
import { cliError } from "../errors.ts";
import { duration, facts, table } from "../text.ts";

interface OfTenant {
  readonly tenant: string;
}
interface OneJob extends OfTenant {
  readonly id: string;
}

/** `job list` */
export async function listJobs(
  context: Context,
  input: OfTenant & { readonly after?: string; readonly limit: number },
): Promise<Answer> {
  const plane = await context.controlPlane();
  const search = new URLSearchParams({ limit: String(input.limit) });
  if (input.after !== undefined) search.set("after", input.after);
  const list = await plane.get<DeadLetterList>(`${pathOf(input)}?${search.toString()}`);
  const { queue, letters, next } = list;
  const rows = letters.map((one) => [one.id, `${one.job}@${one.version}`, one.tries, one.diedAt, one.error]);
  const lines = [
    `${queue.waiting} waiting, ${queue.inFlight} in flight, ${queue.dead} dead; the oldest has been due for ${duration(queue.oldestSeconds)}.`,
    "",
    table(["JOB", "KIND", "TRIES", "DIED", "ERROR"], rows),
    ...(next === null ? [] : ["", `More: cellplane job list ${input.tenant} --after ${next}`]),
  ];
  return { json: list, text: lines.join("\n") };
}

/** `job show` */
export async function showJob(context: Context, input: OneJob): Promise<Answer> {
  const plane = await context.controlPlane();
  const letter = await plane.get<DeadLetter>(`${pathOf(input)}/${encodeURIComponent(input.id)}`);
  return { json: letter, text: letterText(letter) };
}

/** `job replay`: one, or with --all every dead letter that there is when it begins. */
export async function replayJobs(
  context: Context,
  input: OfTenant & { readonly id?: string; readonly all?: boolean },
): Promise<Answer> {
  if ((input.id === undefined) !== (input.all === true))
    throw cliError("usage", "Name one job, or say --all; not both.");
  const plane = await context.controlPlane();
  const replayed =
    input.id === undefined
      ? await replayAll(async () => plane.post<ReplayedJobs>(`${pathOf(input)}/replay`))
      : await plane.post<ReplayedJobs>(`${pathOf(input)}/${encodeURIComponent(input.id)}/replay`);
  const text = `${replayed.replayed} run again; ${replayed.remaining} dead letters remain.`;
  return { json: replayed, text };
}

/** Ends with as many as there were at first: a job that dies again at once is not replayed a second time. */
async function replayAll(ask: () => Promise<ReplayedJobs>): Promise<ReplayedJobs> {
  const first = await ask();
  const total = first.replayed + first.remaining;
  let { replayed, remaining } = first;
  while (replayed < total) {
    const next = await ask();
    if (next.replayed === 0) break;
    replayed += next.replayed;
    remaining = next.remaining;
  }
  return { replayed, remaining };
}

/** `job discard` */
export async function discardJob(context: Context, input: OneJob & { readonly reason: string }): Promise<Answer> {
  const plane = await context.controlPlane();
  const path = `${pathOf(input)}/${encodeURIComponent(input.id)}/discard`;
  const discarded = await plane.post<DiscardedJob>(path, { reason: input.reason });
  return { json: discarded, text: `${discarded.id} is gone for good.` };
}

function pathOf({ tenant }: OfTenant): string {
  return `/v1/tenants/${encodeURIComponent(tenant)}/jobs`;
}

function letterText(letter: DeadLetter): string {
  const head = facts([
    ["job", letter.id],
    ["kind", `${letter.job}@${letter.version}`],
    [
      "tries",
      letter.crashes === 0 ? letter.tries : `${letter.tries}, of which ${letter.crashes} ended the worker's process`,
    ],
    ["priority", letter.priority],
    ["added", letter.createdAt],
    ["last try", letter.lastTryAt],
    ["died", letter.diedAt],
  ]);
  if (letter.errors === undefined)
    return `${head}\n\nerror  ${letter.error}; more of it, and the payload, an operator may see`;
  const errors = letter.errors.map(({ name, message, code, stack = [] }, depth) => {
    const what = `${depth === 0 ? "error " : "because"} ${name}${code === undefined ? "" : ` [${code}]`}: ${message}`;
    return [what, ...stack.map((line) => `          ${line}`)].join("\n");
  });
  return `${head}\n\n${errors.join("\n")}\n\npayload\n${JSON.stringify(letter.payload, null, 2)}`;
}
