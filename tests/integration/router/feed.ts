import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Envelope, Generation } from "../../../common/contracts/fleet.ts";
import { FleetDocument } from "../../../common/fleet/document.ts";
import { sealEnvelope } from "../../../common/fleet/envelope.ts";
import type { MapRows } from "../../../common/fleet/rows.ts";
import { generateSigningKey, type SigningKey } from "../../../common/keys.ts";

/** A control plane's fleet feed, real on the wire: signed snapshot, signed deltas, checks; nothing else of a control plane. */
export class Feed {
  readonly key: SigningKey = generateSigningKey();
  readonly #document: FleetDocument<MapRows>;
  readonly #streams = new Set<ServerResponse>();
  readonly #server = createServer((request, response) => {
    if (request.url === "/v1/fleet/snapshot") {
      this.snapshots += 1;
      if (this.spoilt !== null) {
        response.setHeader("content-type", "application/json").end(this.spoilt);
        return;
      }
      const { generation, hash } = this.#document;
      const snapshot = sealEnvelope(
        { kind: "snapshot", generation, hash, rows: Object.fromEntries(this.#document.rows.entries()) },
        this.#signer,
      );
      response.setHeader("content-type", "application/json").end(JSON.stringify(snapshot));
    } else {
      response.writeHead(200, { "content-type": "text/event-stream" });
      this.#streams.add(response);
      // One that is behind fetches the snapshot: what was published meanwhile is not kept here.
      const n = Number(new URL(request.url ?? "/", "http://feed").searchParams.get("n"));
      if (n < this.#document.generation.n) this.#send(response, "reset", {});
      response.on("close", () => this.#streams.delete(response));
      this.#check(response);
    }
  });
  #signer = this.key;
  url = "";
  /** How often the snapshot was asked for. */
  snapshots = 0;
  /** What is answered instead of the snapshot. */
  spoilt: string | null = null;

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
    const after = FleetDocument.of(Object.fromEntries(this.#document.rows.entries()), from);
    for (const [name, value] of Object.entries(changes))
      after.apply({ [name]: value }, to, hashAfter(after, name, value, to));
    this.#document.apply(changes, to, after.hash);
    const delta = this.sealed({ kind: "delta", from, to, hash: after.hash, changes });
    for (const stream of this.#streams) this.#send(stream, "delta", delta);
  }

  /** The signed form of a value, by the publisher or somebody else. */
  sealed(value: unknown, key: SigningKey = this.#signer): Envelope {
    return sealEnvelope(value, key);
  }

  /** A whole document, signed, as the snapshot is answered. */
  sealedSnapshot(rows: Record<string, unknown>, generation: Generation): string {
    const { hash } = FleetDocument.of(rows, generation);
    return JSON.stringify(this.sealed({ kind: "snapshot", generation, hash, rows }));
  }

  /** From now on another key signs. */
  signWith(key: SigningKey): void {
    this.#signer = key;
  }

  /** Sends an event to everybody who listens, as it is. */
  sendRaw(event: string, data: string): void {
    for (const stream of this.#streams) stream.write(`event: ${event}\ndata: ${data}\n\n`);
  }

  /** The delta that would come next, without its coming: what a router gets then is up to the test. */
  nextDelta(changes: Record<string, unknown>): { from: Generation; to: Generation; hash: string; changes: object } {
    const from = this.#document.generation;
    const to = { term: from.term, n: from.n + 1 };
    const rows = { ...Object.fromEntries(this.#document.rows.entries()), ...changes };
    return { from, to, hash: FleetDocument.of(rows, to).hash, changes };
  }

  /** Ends all streams: subscribers come again. */
  cut(): void {
    for (const stream of this.#streams) stream.destroy();
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
function hashAfter(document: FleetDocument<MapRows>, name: string, value: unknown, to: Generation): string {
  const rows = Object.fromEntries(document.rows.entries());
  if (value === null) delete rows[name];
  else rows[name] = value;
  return FleetDocument.of(rows, to).hash;
}
