/**
 * A load in a process of its own. The calm tenants send at a steady rate, whatever comes back (an open loop, so that a slow answer does not thin the load). The
 * flood wants a steady rate too, over a fixed number of connections: what finds none free is counted and not sent. One line of JSON in, one line out.
 */
import { Agent, request as httpRequest } from "node:http";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { Connection, requestBytes } from "../runner/closed-loop.ts";

export interface Asked {
  readonly headers: Readonly<Record<string, string>>;
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly status: number;
  readonly contains: string;
}

interface Pace {
  readonly port: number;
  /** Counted, after the first ones. */
  readonly seconds: number;
  /** At first, counted apart: connections are opened then, and all at once. */
  readonly firstSeconds: number;
  readonly perSecond: number;
}

export type Order =
  | (Pace & { readonly kind: "calm"; readonly requests: readonly Asked[] })
  | (Pace & { readonly kind: "flood"; readonly request: Asked; readonly connections: number });

export interface CalmResult {
  /** Of the right answers, from the moment at which each was due, in ms. */
  readonly latencies: readonly number[];
  /** The same of the first seconds. */
  readonly first: readonly number[];
  readonly wrong: number;
  readonly example: string | null;
}

export interface FloodResult {
  /** Answers by status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Requests that found no connection free. */
  readonly unsent: number;
}

/** An answer that was held back longer than this is not waited for after the end. */
const lingerMs = 5_000;

function ask(port: number, asked: Asked, agent: Agent): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const body = asked.body === undefined ? {} : { "content-type": "application/json" };
    const headers = { ...asked.headers, ...body };
    const request = httpRequest({ host: "127.0.0.1", port, method: asked.method, path: asked.path, headers, agent });
    request.on("error", reject);
    request.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.end(asked.body);
  });
}

async function calm(order: Order & { readonly kind: "calm" }): Promise<CalmResult> {
  const agent = new Agent({ keepAlive: true });
  const latencies: number[] = [];
  const first: number[] = [];
  const countedFrom = performance.now() + order.firstSeconds * 1_000;
  let wrong = 0;
  let example: string | null = null;
  const judge = async (asked: Asked, dueAt: number): Promise<void> => {
    const answer = await ask(order.port, asked, agent).catch((error: unknown) => ({ status: 0, text: String(error) }));
    if (answer.status === asked.status && answer.text.includes(asked.contains))
      (dueAt < countedFrom ? first : latencies).push(performance.now() - dueAt);
    else {
      wrong += 1;
      example ??= `${answer.status} ${answer.text.slice(0, 300)}`;
    }
  };
  const open: Promise<void>[] = [];
  for await (const { turn, dueAt } of due(order)) {
    const asked = order.requests[turn % order.requests.length];
    if (asked !== undefined) open.push(judge(asked, dueAt));
  }
  await Promise.all(open);
  agent.destroy();
  return { latencies, first, wrong, example };
}

async function flood(order: Order & { readonly kind: "flood" }): Promise<FloodResult> {
  const statuses: Record<string, number> = {};
  let unsent = 0;
  const { method, path, headers, body } = order.request;
  const bytes = requestBytes(method, path, headers, body);
  const connections = Array.from({ length: order.connections }, () => new Connection(order.port));
  await Promise.all(connections.map(({ opened }) => opened));
  const free = [...connections];
  const send = async (connection: Connection): Promise<void> => {
    const { status } = await connection.ask(bytes).catch(() => ({ status: 0 }));
    statuses[status] = (statuses[status] ?? 0) + 1;
    // A connection that broke is of no more use.
    if (status !== 0) free.push(connection);
  };
  const open: Promise<void>[] = [];
  for await (const _ of due(order)) {
    const connection = free.pop();
    if (connection === undefined) unsent += 1;
    else open.push(send(connection));
  }
  await Promise.race([Promise.all(open), sleep(lingerMs, undefined, { ref: false })]);
  for (const connection of connections) connection.close();
  return { statuses, unsent };
}

/** Each request's turn at the moment when it is due, or as soon after as this process comes to it. */
async function* due({
  seconds,
  firstSeconds,
  perSecond,
}: Pace): AsyncGenerator<{ readonly turn: number; readonly dueAt: number }> {
  const began = performance.now();
  const count = Math.round((firstSeconds + seconds) * perSecond);
  for (let turn = 0; turn < count; turn++) {
    const dueAt = began + (turn * 1_000) / perSecond;
    const pause = dueAt - performance.now();
    if (pause > 0) await sleep(pause);
    yield { turn, dueAt };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as Order;
  process.stdout.write(`${JSON.stringify(await (order.kind === "calm" ? calm(order) : flood(order)))}\n`);
}
