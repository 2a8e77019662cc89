import { request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { RequestBody } from "./body.ts";
import type { Pool } from "./pools.ts";

/** How a try ended, with what is needed to go on. */
export type Outcome =
  | { readonly kind: "answer"; readonly response: IncomingMessage; readonly request: ClientRequest }
  | { readonly kind: "switched"; readonly response: IncomingMessage; readonly socket: Socket; readonly head: Buffer }
  | { readonly kind: "refused" | "connect-timeout" | "silent" | "broken"; readonly error: Error };

export interface Try {
  readonly pool: Pool;
  readonly method: string;
  readonly target: string;
  /** Name, value, …: exactly what is sent. */
  readonly fields: string[];
  readonly body: RequestBody;
  readonly connectTimeoutMs: number;
  readonly firstByteTimeoutMs: number;
  /** Gets the request as soon as it is made, to destroy it when the client goes away. */
  readonly onRequest: (request: ClientRequest) => void;
}

/** Sends a request to a cell once and waits for the head of the answer; the body streams meanwhile. Never rejects. */
export function attempt(given: Try): Promise<Outcome> {
  return new Promise((resolve) => {
    let connected = false;
    let failure: "connect-timeout" | "silent" | null = null;
    let timer: NodeJS.Timeout | null = null;
    const request = httpRequest({
      agent: given.pool.agent,
      host: given.pool.host,
      port: given.pool.port,
      method: given.method,
      path: given.target,
      headers: given.fields,
      setHost: false,
    });
    const endWith = (kind: "connect-timeout" | "silent", afterMs: number) => {
      if (timer !== null) clearTimeout(timer);
      timer = setTimeout(() => {
        failure = kind;
        request.destroy(new Error(`${kind} after ${afterMs} ms`));
      }, afterMs);
    };
    const settle = (outcome: Outcome) => {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      request.removeListener("finish", awaitAnswer);
      resolve(outcome);
    };
    const awaitAnswer = () => endWith("silent", given.firstByteTimeoutMs);
    // The body waits for the connection: as long as none of it is on its way, it can still go elsewhere.
    const onConnected = () => {
      connected = true;
      if (timer !== null) clearTimeout(timer);
      timer = null;
      given.body.attach(request);
    };
    request.once("finish", awaitAnswer);
    request.once("socket", (socket) => {
      if (!socket.connecting) return onConnected();
      endWith("connect-timeout", given.connectTimeoutMs);
      socket.once("connect", onConnected);
    });
    request.once("response", (response) => settle({ kind: "answer", response, request }));
    request.once("upgrade", (response, socket, head) =>
      settle({ kind: "switched", response, socket: socket as Socket, head }),
    );
    // Stays for the request's life: what breaks after the answer began is seen at the answer's stream.
    request.on("error", (error) => settle({ kind: failure ?? (connected ? "broken" : "refused"), error }));
    given.onRequest(request);
  });
}
