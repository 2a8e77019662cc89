import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Assertion } from "../../../common/contracts/assertion.ts";
import type { LeaseWord, ReleaseRecord, Slot, SlotAddresses } from "../../../common/contracts/lease.ts";
import type { CellId, TenantId } from "../../../common/ids.ts";
import { generateSigningKey, type SigningKey } from "../../../common/keys.ts";
import { signToken, verifyToken } from "../../../common/tokens.ts";
import { freePort } from "../../support/ports.ts";

/** A request as a slot got it. */
export interface Received {
  readonly slot: Slot;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly rawHeaders: readonly string[];
  readonly body: string;
  readonly assertion: Assertion | null;
}

/** What a slot answers; `undefined` means 200 with an echo of what came. */
export type Script = (received: Received, response: ServerResponse) => boolean | Promise<boolean>;

/**
 * Plays a cell on the wire: two slots at fixed addresses, assertions really verified, words really signed. What it answers is the
 * test's script; it returns true when it has answered.
 */
export class PlayedCell {
  readonly id: CellId;
  readonly key: SigningKey = generateSigningKey();
  readonly received: Received[] = [];
  release = "pulse@1";
  live: Slot = "a";
  script: Script = () => false;
  addresses!: Record<Slot, SlotAddresses>;
  readonly #routerKeys: SigningKey[];
  readonly #servers: Record<Slot, Server | null> = { a: null, b: null };

  constructor(id: string, routerKey: SigningKey) {
    this.id = id as CellId;
    this.#routerKeys = [routerKey];
  }

  async start(...which: Slot[]): Promise<void> {
    if (this.addresses === undefined) {
      this.addresses = { a: addressesAt(await freePort()), b: addressesAt(await freePort()) };
    }
    for (const slot of which) await this.startSlot(slot);
  }

  async startSlot(slot: Slot): Promise<void> {
    const server = createServer(
      { keepAliveTimeout: 75_000 },
      (request, response) => void this.#answer(slot, request, response),
    );
    server.on("upgrade", (request, socket) => {
      socket.on("error", () => socket.destroy());
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: played\r\ncellplane-release: ${this.release}\r\n\r\n`,
      );
      socket.on("data", (chunk: Buffer) => socket.write(`${slot}:${request.url}:${chunk.toString()}`));
      socket.on("end", () => socket.end());
    });
    const port = Number(new URL(this.addresses[slot].url).port);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", resolve);
    });
    this.#servers[slot] = server;
  }

  /** Believes the router's next key too. */
  trust(key: SigningKey): void {
    this.#routerKeys.push(key);
  }

  /** The slot's process dies: connections break, new ones are refused. */
  async kill(slot: Slot): Promise<void> {
    const server = this.#servers[slot];
    if (server === null) return;
    this.#servers[slot] = null;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  async stop(): Promise<void> {
    await this.kill("a");
    await this.kill("b");
  }

  connections(slot: Slot): Promise<number> {
    return new Promise((resolve, reject) => {
      const server = this.#servers[slot];
      if (server === null) resolve(0);
      else server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
    });
  }

  row(): object {
    return {
      id: this.id,
      region: "eu",
      cordoned: false,
      slots: this.addresses,
      liveSlot: this.live,
      release: this.release,
    };
  }
  partRow(): object {
    return { id: this.id, role: "cell", keys: [this.key.spki], url: null };
  }

  releaseRecord(tenant: TenantId, epoch: number, destination: PlayedCell, key: SigningKey = this.key): Promise<string> {
    const record: ReleaseRecord = {
      tenant,
      from: this.id,
      epoch,
      destination: destination.id,
      addresses: destination.addresses,
      operation: "01890000-0000-7000-8000-0000000000aa" as ReleaseRecord["operation"],
      freeze: "freeze-1",
      iat: Math.floor(Date.now() / 1000),
    };
    return signToken("cp-release-record", record, key);
  }

  leaseWord(
    tenant: TenantId,
    state: LeaseWord["state"],
    epoch: number | null,
    key: SigningKey = this.key,
  ): Promise<string> {
    const word: LeaseWord = { cell: this.id, tenant, state, epoch, iat: Math.floor(Date.now() / 1000) };
    return signToken("cp-lease-word", word, key);
  }

  /** Answers as a cell does that has executed nothing. */
  notExecuted(response: ServerResponse, status: number, code: string, more: Record<string, string> = {}): true {
    response.writeHead(status, {
      "cellplane-not-executed": code,
      "cellplane-release": this.release,
      "content-type": "application/problem+json",
      ...more,
    });
    response.end(JSON.stringify({ code }));
    return true;
  }

  async #answer(slot: Slot, request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => response.destroy());
    const chunks: Buffer[] = [];
    try {
      if (this.script.length > 0 || request.method !== "GET")
        for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      // The router broke the request off; what has come is not answered, as by a real cell.
      return;
    }
    const received: Received = {
      slot,
      method: request.method ?? "",
      url: request.url ?? "",
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      body: Buffer.concat(chunks).toString(),
      assertion: await this.#assertionOf(request),
    };
    this.received.push(received);
    // As the kit does: only a slot that is not live names the live one.
    if (slot !== this.live) response.setHeader("cellplane-slot", this.live);
    response.setHeader("cellplane-release", this.release);
    if (await this.script(received, response)) return;
    if (received.assertion === null) {
      response.writeHead(401).end();
      return;
    }
    if (slot !== this.live && !received.assertion.synthetic) {
      this.notExecuted(response, 503, "slot-not-live");
      return;
    }
    response.setHeader("content-type", "application/json");
    response.end(
      JSON.stringify({
        cell: this.id,
        slot,
        method: received.method,
        url: received.url,
        bytes: received.body.length,
        tenant: received.assertion.tenant,
        epoch: received.assertion.epoch,
        principal: received.assertion.principal,
      }),
    );
  }

  async #assertionOf(request: IncomingMessage): Promise<Assertion | null> {
    const token = request.headers["cellplane-assertion"];
    if (typeof token !== "string") return null;
    const keys = (kid: string) => this.#routerKeys.find((key) => key.kid === kid)?.publicKey;
    const { payload } = await verifyToken(token, {
      type: "cp-assertion",
      schema: Assertion,
      keys,
      audience: this.id,
      nowSeconds: Math.floor(Date.now() / 1000),
    });
    return payload;
  }
}

function addressesAt(port: number): SlotAddresses {
  return { url: `http://127.0.0.1:${port}`, adminUrl: "http://127.0.0.1:1", workerUrl: "http://127.0.0.1:1" };
}
