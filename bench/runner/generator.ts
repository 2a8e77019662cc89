import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface, type Interface } from "node:readline";
import { cores, pinned } from "./pin.ts";

/** A load generator in a process of its own, on the others' core: orders and results are lines of JSON. */
export class Generator<Order, Result> {
  readonly #child: ChildProcess;
  readonly #results: AsyncIterator<string>;
  readonly #lines: Interface;

  /**
   * @param program a TypeScript file of ours that answers each line of its input with one of its output.
   * @param place `behind`: it runs when nothing else on that core wants to (SCHED_IDLE), as if it had a machine of its own.
   */
  constructor(program: string, place: "beside" | "behind" = "beside") {
    const run = pinned(cores.others, process.execPath, [program]);
    const [command, ...args] = [...(place === "behind" ? ["chrt", "--idle", "0"] : []), ...run.flat()] as [
      string,
      ...string[],
    ];
    this.#child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error("the load generator has no output");
    this.#lines = createInterface({ input: stdout });
    this.#results = this.#lines[Symbol.asyncIterator]();
  }

  /** @throws where the generator ended. */
  async run(order: Order): Promise<Result> {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
    const next = await this.#results.next();
    if (next.done === true) throw new Error("the load generator ended");
    return JSON.parse(next.value) as Result;
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, "exit");
    this.#child.stdin?.end();
    await gone;
    this.#lines.close();
  }
}
