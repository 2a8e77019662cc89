import { Agent, request } from "node:http";

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** How long an answer may take before the request counts as failed, in milliseconds. */
const timeoutMs = 30_000;

/**
 * A client of tenants behind one router. It connects to 127.0.0.1 and names the tenant in Host: many machines cannot resolve
 * names below `.localhost`.
 */
export class TenantClient {
  readonly #agent: Agent;
  readonly #port: number;

  constructor(port: number, maxSockets = 16) {
    this.#port = port;
    this.#agent = new Agent({ keepAlive: true, maxSockets });
  }

  /** Sends one request. @throws when no answer came: refused, reset, or too late. */
  send(
    host: string,
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    body?: string,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
      const outgoing = request(
        {
          host: "127.0.0.1",
          port: this.#port,
          agent: this.#agent,
          method,
          path,
          headers: { host, ...headers, ...length },
          timeout: timeoutMs,
        },
        (incoming) => {
          const parts: Buffer[] = [];
          incoming.on("data", (part: Buffer) => parts.push(part));
          incoming.on("end", () =>
            resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(parts).toString() }),
          );
          incoming.on("error", reject);
        },
      );
      outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)));
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
