import { once } from "node:events";
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Agent } from "undici";
import { createApp } from "../../../../aggregator/app.ts";
import { createCellAsker } from "../../../../aggregator/fanout/ask.ts";
import type { Fleet } from "../../../../aggregator/fleet.ts";
import { migrate } from "../../../../aggregator/migrations.store.ts";
import { systemClock } from "../../../../common/clock.ts";
import { commandTokens } from "../../../../common/command-tokens.ts";
import type { AggregateAnswer } from "../../../../common/contracts/cell-admin.ts";
import type { CellRow, PartRole, TenantRow } from "../../../../common/contracts/fleet.ts";
import type {
  MergeKind,
  QueryAnswer,
  RollupRow,
  Shipment,
  ShipmentReceipt,
} from "../../../../common/contracts/rollups.ts";
import { type CellId, cellId, tenantId, type TenantId } from "../../../../common/ids.ts";
import { generateSigningKey, type SigningKey } from "../../../../common/keys.ts";
import { createLog } from "../../../../common/log.ts";
import { createPool } from "../../../../common/postgres/pool.ts";
import type { FreshDatabase } from "../../../support/postgres.ts";

export const hourMs = 3_600_000;
export const thisHour = new Date(Math.floor(Date.now() / hourMs) * hourMs).toISOString();

/** A tenant by a small number. */
export const tenant = (n: number): TenantId => tenantId(`00000000-0000-7000-8000-${String(n).padStart(12, "0")}`);

export type CellHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** An HTTP server in a cell's place. */
export interface TestCell {
  readonly id: CellId;
  readonly key: SigningKey;
  /** What it does with a question; null answers none. */
  handler: CellHandler;
  asked: number;
}

/** The aggregator's app on a real database and a fleet made for the test. */
export class AggregatorStage {
  readonly cells = new Map<string, TestCell>();
  readonly tenants = new Map<TenantId, TenantRow>();
  readonly #rows: CellRow[] = [];
  readonly #keys = new Map<string, { readonly key: SigningKey; readonly part: string; readonly role: PartRole }>();
  readonly #servers: HttpServer[] = [];
  readonly #closers: (() => Promise<unknown>)[] = [];
  readonly #operator = generateSigningKey();
  #address = "";

  static async open(
    database: FreshDatabase,
    cells: readonly { readonly id: string; readonly region: string }[],
  ): Promise<AggregatorStage> {
    const stage = new AggregatorStage();
    for (const { id, region } of cells) await stage.#addCell(cellId(id), region);
    stage.#keys.set(stage.#operator.kid, { key: stage.#operator, part: "control-plane", role: "control-plane" });
    await stage.#serve(database);
    return stage;
  }

  async close(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
    }
    for (const close of this.#closers.toReversed()) await close();
  }

  cell(id: string): TestCell {
    const cell = this.cells.get(id);
    if (cell === undefined) throw new Error(`no cell ${id}`);
    return cell;
  }

  /** @param headers e.g. that with this shipment all has been sent */
  async ship(
    id: string,
    number: number,
    rows: readonly RollupRow[],
    more: Partial<Shipment> = {},
    headers: Readonly<Record<string, string>> = {},
  ): Promise<number> {
    const shipment = {
      cell: cellId(id),
      incarnation: "1",
      number,
      asOf: new Date().toISOString(),
      rows: [...rows],
      ...more,
    };
    const response = await this.post(id, shipment, headers);
    if (response.status !== 200) throw new Error(await response.text());
    return ((await response.json()) as ShipmentReceipt).next;
  }

  /** Sends a shipment signed by a cell, which may be another than the one it names. */
  async post(signer: string, shipment: Shipment, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    const token = await commandTokens(signer, this.cell(signer).key, systemClock)("aggregator");
    return await fetch(`${this.#address}/v1/shipments`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers },
      body: JSON.stringify(shipment),
    });
  }

  async query(path: string): Promise<QueryAnswer> {
    const response = await this.get(`/v1/query/${path}`);
    if (response.status !== 200) throw new Error(await response.text());
    return (await response.json()) as QueryAnswer;
  }

  async get(path: string): Promise<Response> {
    const token = await commandTokens("control-plane", this.#operator, systemClock)("aggregator");
    return await fetch(`${this.#address}${path}`, { headers: { authorization: `Bearer ${token}` } });
  }

  async #addCell(id: CellId, region: string): Promise<void> {
    const key = generateSigningKey();
    const cell: TestCell = { id, key, handler: answers(id, []), asked: 0 };
    this.cells.set(id, cell);
    this.#keys.set(key.kid, { key, part: id, role: "cell" });
    const server = createServer((request, response) => {
      cell.asked += 1;
      cell.handler(request, response);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    this.#servers.push(server);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const addresses = { url, adminUrl: url, workerUrl: url };
    this.#rows.push({
      id,
      region,
      cordoned: false,
      slots: { a: addresses, b: addresses },
      liveSlot: "a",
      release: null,
    });
  }

  async #serve(database: FreshDatabase): Promise<void> {
    const log = createLog("aggregator", "silent");
    const pool = createPool({ url: database.ownerUrl, application: "aggregator-test", log });
    await migrate(pool);
    const key = generateSigningKey();
    const dispatcher = new Agent();
    const asker = createCellAsker({
      dispatcher,
      tokenFor: commandTokens("aggregator", key, systemClock),
      clock: systemClock,
      log,
    });
    const app = createApp({
      part: "aggregator",
      pool,
      fleet: this.#fleet(),
      asker,
      clock: systemClock,
      retentionDays: 90,
      log,
    });
    this.#address = await app.listen({ host: "127.0.0.1", port: 0 });
    this.#closers.push(
      () => pool.end(),
      () => dispatcher.destroy(),
      () => app.close(),
    );
  }

  #fleet(): Fleet {
    return {
      cells: () => this.#rows,
      tenant: (id) => this.tenants.get(id),
      tenantsOf: (cells) => [...this.tenants.values()].flatMap(({ id, cell }) => (cells.has(cell) ? [id] : [])),
      trusted: (kid) => {
        const known = this.#keys.get(kid);
        return known === undefined ? undefined : { key: known.key.publicKey, part: known.part, role: known.role };
      },
      generation: () => ({ term: 1, n: 1 }),
    };
  }
}

type AnswerRow = Partial<AggregateAnswer["rows"][number]> & { readonly tenant: TenantId; readonly value: unknown };

/** A cell that answers with these rows. */
export function answers(cell: CellId, rows: readonly AnswerRow[], merge?: MergeKind): CellHandler {
  return (request, response) => {
    const answer: AggregateAnswer = {
      cell,
      incarnation: "1",
      name: new URL(request.url ?? "/", "http://cell").pathname.split("/").at(-1) ?? "",
      ...(merge === undefined ? {} : { merge }),
      asOf: new Date().toISOString(),
      rows: rows.map((row) => ({ epoch: 1, slug: `tenant-${row.tenant.slice(-1)}`, tier: "free", ...row })),
    };
    response.setHeader("content-type", "application/json").end(JSON.stringify(answer));
  };
}

/** A cell whose release has no aggregate of that name. */
export const withoutAggregate: CellHandler = (_request, response) => {
  const problem = {
    type: "about:blank",
    title: "None",
    status: 404,
    code: "unknown-aggregate",
    detail: "None.",
    todo: "Ask for another.",
  };
  response.writeHead(404, { "content-type": "application/problem+json" }).end(JSON.stringify(problem));
};

/** A cell whose process is gone: the connection breaks. */
export const dead: CellHandler = (request) => void request.socket.destroy();

/** A cell that takes the question and says nothing. */
export const silent: CellHandler = () => undefined;

export function eventsRow(n: number, value: number, more: Partial<RollupRow> = {}): RollupRow {
  return {
    aggregate: "events",
    merge: "sum",
    tenant: tenant(n),
    slug: `tenant-${n}`,
    tier: "free",
    synthetic: false,
    epoch: 1,
    bucket: thisHour,
    value,
    ...more,
  };
}
