import { once } from "node:events";
import { connect as connectTo, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** A proxy before PostgreSQL that counts the statements which pass it, whatever code sends them. */
export class StatementCounter {
  readonly url: string;
  /** Statements that were sent to be executed, transaction control included. */
  statements = 0;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  private constructor(url: string, server: Server, sockets: Set<Socket>) {
    this.url = url;
    this.#server = server;
    this.#sockets = sockets;
  }

  /** Opens one before the server that a connection URL names; `url` is that of the same database through it. */
  static async before(target: string): Promise<StatementCounter> {
    const url = new URL(target);
    const sockets = new Set<Socket>();
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const through = new URL(target);
    through.port = String((server.address() as AddressInfo).port);
    const counter = new StatementCounter(through.href, server, sockets);
    server.on("connection", (client) => {
      const upstream = connectTo(Number(url.port), url.hostname);
      for (const socket of [client, upstream]) {
        sockets.add(socket);
        socket.on("error", () => undefined);
        socket.once("close", () => {
          sockets.delete(socket);
          client.destroy();
          upstream.destroy();
        });
      }
      const read = messages((type) => {
        if (type === "Q" || type === "E") counter.statements += 1;
      });
      client.on("data", read);
      client.pipe(upstream).pipe(client);
    });
    return counter;
  }

  /** How many statements `work` sends. */
  async during(work: () => Promise<unknown>): Promise<number> {
    const before = this.statements;
    await work();
    return this.statements - before;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/**
 * Splits what a client sends into messages: a type of one byte and a length of four that counts itself (PostgreSQL, "Message Formats"); only the first has no
 * type.
 */
function messages(each: (type: string) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  let started = false;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const head = started ? 1 : 0;
      if (rest.length < head + 4) return;
      const end = head + rest.readInt32BE(head);
      if (rest.length < end) return;
      if (started) each(String.fromCharCode(rest[0] ?? 0));
      started = true;
      rest = rest.subarray(end);
    }
  };
}
