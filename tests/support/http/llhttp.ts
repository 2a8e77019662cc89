import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import type { Understood } from "./ours.ts";

/** Node's own HTTP server, whose parser is llhttp, as a reader of bytes. */
export class LlhttpReader {
  readonly #server = createServer({ insecureHTTPParser: false, requireHostHeader: false, keepAliveTimeout: 0 });
  readonly #reading = new Map<number, Understood[]>();

  async start(): Promise<void> {
    this.#server.maxHeadersCount = 0;
    // Never answered: an answer might close the connection before what stands behind is read.
    this.#server.on("request", (request) => {
      let body = "";
      request.setEncoding("latin1");
      request.on("data", (text: string) => (body += text));
      request.on("error", () => undefined);
      request.on("end", () => {
        const { method = "", url: target = "", rawHeaders: fields } = request;
        this.#reading.get(request.socket.remotePort ?? 0)?.push({ method, target, fields, body });
      });
    });
    // Later: requests that were whole before the error have not been read to their end yet.
    this.#server.on("clientError", (_error, socket) => setTimeout(() => socket.destroy(), 5));
    const listening = once(this.#server, "listening");
    this.#server.listen(0, "127.0.0.1");
    await listening;
  }

  /** The whole requests that llhttp finds in a connection's bytes. */
  async read(bytes: Buffer): Promise<Understood[]> {
    const requests: Understood[] = [];
    const socket = connect((this.#server.address() as AddressInfo).port, "127.0.0.1");
    socket.on("error", () => undefined);
    await once(socket, "connect");
    const port = socket.localPort ?? 0;
    this.#reading.set(port, requests);
    const closed = once(socket, "close");
    socket.resume();
    socket.end(bytes);
    await closed;
    this.#reading.delete(port);
    return requests;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
