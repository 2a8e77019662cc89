/** A load generator as a process of its own: one line of JSON in, one line of JSON out, until its input ends. */
import process from "node:process";
import { createInterface } from "node:readline";
import { closedLoop, requestBytes, type LoopOptions } from "../runner/closed-loop.ts";

/** What to ask: a request in words. */
export interface Order extends LoopOptions {
  readonly requests: readonly {
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly status: number;
    readonly contains: string;
  }[];
}

for await (const line of createInterface({ input: process.stdin })) {
  const { requests, ...options } = JSON.parse(line) as Order;
  const asked = requests.map(({ method, path, headers, body, status, contains }) => ({
    request: requestBytes(method, path, headers, body),
    status,
    contains,
  }));
  const { latencies: _, ...result } = await closedLoop(asked, options);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
