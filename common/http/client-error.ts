import { randomUUID } from "node:crypto";
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { requestIdHeader } from "../contracts/headers.ts";
import { problemContentType } from "../contracts/problem.ts";
import { type CellplaneError, toProblem } from "../errors.ts";
import { httpError } from "./errors.ts";

function problemFor(error: NodeJS.ErrnoException): CellplaneError {
  if (error.code === "ERR_HTTP_REQUEST_TIMEOUT")
    return httpError("slow-request", "The request did not arrive in time.", { cause: error });
  if (error.code === "HPE_HEADER_OVERFLOW")
    return httpError("head-too-large", "The request's head is larger than is taken here.", { cause: error });
  return httpError("malformed-request", "What came is not HTTP/1.1.", { cause: error });
}

/** Answers `Expect` with anything but `100-continue`, which Node refuses by itself but without a word. */
export function answerExpectation(request: IncomingMessage, response: ServerResponse): void {
  const known = httpError("expectation-failed", "Only `Expect: 100-continue` is known.");
  const id = randomUUID();
  const body = JSON.stringify(toProblem(known, id));
  response.writeHead(known.status, {
    "content-type": problemContentType,
    "content-length": Buffer.byteLength(body),
    [requestIdHeader]: id,
    connection: "close",
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

/**
 * Answers what never became a request (`clientError` of Node's server): no HTTP, too large a head, too slow. A problem document as for
 * every other error, then the end of the connection, since nobody knows where the next request would begin.
 * @returns the error that was answered, for the log; undefined where the client is gone.
 */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): CellplaneError | undefined {
  if (error.code === "ECONNRESET" || socket.destroyed) return undefined;
  const known = problemFor(error);
  // An answer that has begun must not get a second one in its middle; Node's own default asks the same private member.
  const begun =
    (socket as Socket & { readonly _httpMessage?: ServerResponse | null })._httpMessage?.headersSent === true;
  if (!socket.writable || begun) {
    socket.destroy();
    return known;
  }
  const id = randomUUID();
  const body = JSON.stringify(toProblem(known, id));
  const head = [
    `HTTP/1.1 ${known.status} ${STATUS_CODES[known.status] ?? ""}`,
    `content-type: ${problemContentType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    `${requestIdHeader}: ${id}`,
    "connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
  return known;
}
