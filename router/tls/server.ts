import { once } from "node:events";
import { performServerHandshake, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { Logger } from "../../common/log.ts";
import type { ClientSocket } from "../proxy/client-socket.ts";
import type { ListenOptions } from "../proxy/server.ts";
import type { Certificates } from "./certificates.ts";
import { StreamSocket } from "./stream-socket.ts";

/** A client that does not come to an end with its handshake is let go. */
const handshakeMs = 10_000;
/** A session without any stream is closed after this time, as a connection of HTTP/1.1 is. */
const sessionIdleMs = 75_000;
/** Requests at once on one session; each costs what a connection costs. */
const maxStreams = 100;

export interface TlsServerOptions {
  readonly certificates: Certificates;
  readonly maxConnections: number;
  /** Takes a connection that speaks HTTP/1.1, or a stream of one that speaks HTTP/2. */
  readonly take: (socket: ClientSocket) => void;
  readonly log: Logger;
}

/** TLS from clients: the certificate by the name that they ask for, HTTP/2 where they offer it. */
export class TlsServer {
  readonly #server: Server;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #options: TlsServerOptions;
  /** Handshakes that came to nothing, since the process began. */
  handshakesFailed = 0;

  constructor(options: TlsServerOptions) {
    this.#options = options;
    this.#server = createServer({
      // With half-open sockets node never ends one whose client goes away in mid-handshake; and in TLS an end of one side is an end of both.
      allowHalfOpen: false,
      noDelay: true,
      handshakeTimeout: handshakeMs,
      minVersion: "TLSv1.2",
      ALPNProtocols: ["h2", "http/1.1"],
      SNICallback: (name, found) => {
        const context = options.certificates.contextFor(name);
        // Without a context of its own OpenSSL would go on with that of the server, which has none: a clear word is better.
        if (context === undefined) found(new Error("no certificate is for this name"));
        else found(null, context);
      },
    });
    this.#server.maxConnections = options.maxConnections;
    this.#server.on("tlsClientError", (error) => {
      this.handshakesFailed += 1;
      options.log.debug({ event: "tls-handshake-failed", err: error });
    });
    this.#server.on("secureConnection", (socket) => {
      if (socket.alpnProtocol === "h2") this.#takeSession(socket);
      else options.take(socket);
    });
  }

  /** @returns the port, taken by the system where 0 was asked for. */
  async listen(options: ListenOptions): Promise<number> {
    this.#server.listen({ ...options, backlog: 1024 });
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  /** Takes no more connections, and tells sessions to take no more streams. */
  close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const session of this.#sessions) session.close();
    return closed.then(() => undefined);
  }

  /** Cuts off what is still open. */
  destroy(): void {
    for (const session of this.#sessions) session.destroy();
  }

  #takeSession(socket: TLSSocket): void {
    const session = performServerHandshake(socket, {
      settings: { maxConcurrentStreams: maxStreams, enablePush: false },
    });
    const peer = socket.remoteAddress;
    this.#sessions.add(session);
    session.on("close", () => this.#sessions.delete(session));
    session.on("error", (error) => this.#options.log.debug({ event: "http2-session-broke", err: error }));
    session.setTimeout(sessionIdleMs, () => session.close());
    session.on("stream", (stream, headers) => this.#options.take(new StreamSocket(stream, headers, peer)));
  }
}
