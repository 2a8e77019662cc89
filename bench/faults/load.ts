/**
 * Two loads in one process: the calm tenants send at a steady rate, whatever comes back (an open loop, so that a slow answer does not thin the load),
 * and one tenant floods over a fixed number of connections. One line of JSON in, one line out.
 */
import { Agent, request as httpRequest } from "node:http";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

export interface Asked {
  readonly headers: Readonly<Record<string, string>>;
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly status: number;
  readonly contains: string;
}

export interface Order {
  readonly port: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly calm: readonly Asked[];
  /** The flooding tenant's request; null leaves the cell alone. */
  readonly flood: Asked | null;
  /** Requests that it keeps open at once. */
  readonly floodLanes: number;
}

export interface Result {
  /** Of the calm tenants' right answers, from the moment at which each was due, in ms. */
  readonly latencies: readonly number[];
  readonly wrong: number;
  readonly example: string | null;
  /** The flood's answers by status. */
  readonly flooded: Readonly<Record<string, number>>;
}

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

async function run(order: Order): Promise<Result> {
  const agent = new Agent({ keepAlive: true });
  const flooder = new Agent({ keepAlive: true, maxSockets: order.floodLanes });
  const latencies: number[] = [];
  const flooded: Record<string, number> = {};
  let wrong = 0;
  let example: string | null = null;
  const until = performance.now() + order.seconds * 1_000;

  const judge = async (asked: Asked, dueAt: number): Promise<void> => {
    const answer = await ask(order.port, asked, agent).catch((error: unknown) => ({ status: 0, text: String(error) }));
    if (answer.status === asked.status && answer.text.includes(asked.contains))
      latencies.push(performance.now() - dueAt);
    else {
      wrong += 1;
      example ??= `${answer.status} ${answer.text.slice(0, 300)}`;
    }
  };
  const lanes = Array.from({ length: order.flood === null ? 0 : order.floodLanes }, async () => {
    while (order.flood !== null && performance.now() < until) {
      const { status } = await ask(order.port, order.flood, flooder).catch(() => ({ status: 0 }));
      flooded[status] = (flooded[status] ?? 0) + 1;
    }
  });
  const open: Promise<void>[] = [];
  const everyMs = 1_000 / order.perSecond;
  let dueAt = performance.now();
  for (let turn = 0; dueAt < until; turn++) {
    const asked = order.calm[turn % order.calm.length];
    if (asked === undefined) break;
    const pause = dueAt - performance.now();
    if (pause > 0) await sleep(pause);
    open.push(judge(asked, dueAt));
    dueAt += everyMs;
  }
  await Promise.all([...open, ...lanes]);
  agent.destroy();
  flooder.destroy();
  return { latencies, wrong, example, flooded };
}

for await (const line of createInterface({ input: process.stdin }))
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(line) as Order))}\n`);
