import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Envelope, Generation } from "../../../common/contracts/fleet.ts";
import { FleetDocument } from "../../../common/fleet/document.ts";
import { sealEnvelope } from "../../../common/fleet/envelope.ts";
import { generateSigningKey, type SigningKey } from "../../../common/keys.ts";

/** A control plane's fleet feed, real on the wire: signed snapshot, signed deltas, checks; nothing else of a control plane. */
export class Feed {
  readonly key: SigningKey = generateSigningKey();
  readonly #document: FleetDocument;
  readonly #streams = new Set<ServerResponse>();
  readonly #server = createServer((request, response) => {
    if (request.url === "/v1/fleet/snapshot") {
      const { generation, hash } = this.#document;
      const snapshot = sealEnvelope({ kind: "snapshot", generation, hash, rows: this.#document.toRows() }, this.key);
      response.setHeader("content-type", "application/json").end(JSON.stringify(snapshot));
    } else {
      response.writeHead(200, { "content-type": "text/event-stream" });
      this.#streams.add(response);
      response.on("close", () => this.#streams.delete(response));
      this.#check(response);
    }
  });
  url = "";

  constructor(rows: Record<string, unknown>) {
    const publisher = { id: "publisher", role: "publisher", keys: [this.key.spki], url: null };
    this.#document = FleetDocument.of({ "part/publisher": publisher, ...rows }, { term: 1, n: 1 });
  }

  /** Streams that are open: to nobody else is a change told. */
  get listeners(): number {
    return this.#streams.size;
  }

  get generation(): Generation {
    return this.#document.generation;
  }

  async start(port = 0): Promise<void> {
    const listening = once(this.#server, "listening");
    this.#server.listen(port, "127.0.0.1");
    await listening;
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Publishes changes as one delta to everybody who listens. */
  publish(changes: Record<string, unknown>): void {
    const from = this.#document.generation;
    const to = { term: from.term, n: from.n + 1 };
    const after = FleetDocument.of(this.#document.toRows(), from);
    for (const [name, value] of Object.entries(changes))
      after.apply({ [name]: value }, to, hashAfter(after, name, value, to));
    this.#document.apply(changes, to, after.hash);
    const delta = sealEnvelope({ kind: "delta", from, to, hash: after.hash, changes }, this.key);
    for (const stream of this.#streams) this.#send(stream, "delta", delta);
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    for (const stream of this.#streams) stream.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  #check(stream: ServerResponse): void {
    this.#send(stream, "check", { generation: this.#document.generation, hash: this.#document.hash });
  }

  #send(stream: ServerResponse, event: string, value: Envelope | object): void {
    stream.write(`event: ${event}\ndata: ${JSON.stringify(value)}\n\n`);
  }
}

/** The document's hash once the row has that value. */
function hashAfter(document: FleetDocument, name: string, value: unknown, to: Generation): string {
  const rows = document.toRows();
  if (value === null) delete rows[name];
  else rows[name] = value;
  return FleetDocument.of(rows, to).hash;
}
