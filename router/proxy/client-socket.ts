import type { Duplex } from "node:stream";

/** What a client's connection needs of the socket under it: a TCP or TLS socket has all of it, and so has a stream of HTTP/2 (router/tls/). */
export interface ClientSocket extends Duplex {
  readonly remoteAddress?: string | undefined;
  setKeepAlive(on: boolean): unknown;
  /** Closes so that the client sees an error. */
  resetAndDestroy(): unknown;
  /** Closes when all that was written is out. */
  destroySoon(): void;
}
