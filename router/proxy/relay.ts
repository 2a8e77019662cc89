import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { isInternal, type FromCell } from "../guard/fields.ts";
import type { Exchange } from "./exchange.ts";

/**
 * Passes a cell's answer on as it comes, with back-pressure. What breaks in the middle is cut off at the client too: an answer must not
 * look whole when it is not.
 * @param onCut called when the cell broke off in mid-answer.
 */
export function relayAnswer(exchange: Exchange, answer: IncomingMessage, from: FromCell, onCut: () => void): void {
  const { response, body } = exchange;
  from.fields.push(...exchange.closingFields());
  response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? "", from.fields);
  // Without a length the answer may be a stream whose first event is far away: its head goes out at once.
  if (!from.hasLength) response.flushHeaders();
  answer.once("end", () => {
    const trailers = trailersOf(answer.rawTrailers);
    if (trailers.length > 0) response.addTrailers(trailers);
    response.end();
    if (!body.done) body.dump();
  });
  answer.once("error", () => {
    if (!exchange.gone) onCut();
    exchange.socket.destroy();
  });
  answer.pipe(response, { end: false });
}

function trailersOf(raw: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] as string;
    if (!isInternal(name.toLowerCase())) pairs.push([name, raw[index + 1] as string]);
  }
  return pairs;
}

/** Joins a client and a cell that agreed on WebSocket, until either closes. */
export function joinSockets(exchange: Exchange, cell: Socket, cellHead: Buffer, from: FromCell): void {
  const client = exchange.socket;
  const lines = ["HTTP/1.1 101 Switching Protocols"];
  for (let index = 0; index < from.fields.length; index += 2)
    lines.push(`${from.fields[index]}: ${from.fields[index + 1]}`);
  client.write(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  if (cellHead.length > 0) client.write(cellHead);
  if (exchange.upgradeHead !== null && exchange.upgradeHead.length > 0) cell.write(exchange.upgradeHead);
  for (const [one, other] of [
    [client, cell],
    [cell, client],
  ] as const) {
    one.setTimeout(0);
    one.setNoDelay(true);
    one.on("error", () => other.destroy());
    one.on("close", () => other.destroy());
    one.pipe(other);
  }
}
