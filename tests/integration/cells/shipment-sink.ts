import { createServer } from "node:http";
import { wholeSinceHeader } from "../../../common/contracts/rollups.ts";
import { freePort } from "../../support/ports.ts";

/** A received request of the cell's shipper, and what the aggregator of the test answers. */
export interface ShipmentSink {
  readonly url: string;
  /** As they came; `wholeSince` is what the head says beside. */
  readonly shipments: Record<string, unknown>[];
  /** The number expected next; may be set back by a test. */
  next: number;
  /** Whether it takes a run of numbers as one shipment; an older aggregator does not. */
  knowsRuns: boolean;
  stop(): Promise<void>;
}

/** An aggregator that takes shipments in order and remembers them. */
export async function openSink(): Promise<ShipmentSink> {
  const shipments: Record<string, unknown>[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    request.on("end", () => {
      const shipment = JSON.parse(text) as { number: number; from?: number };
      const first = sink.knowsRuns ? (shipment.from ?? shipment.number) : shipment.number;
      if (first <= sink.next && shipment.number >= sink.next) {
        shipments.push({ ...shipment, wholeSince: request.headers[wholeSinceHeader] });
        sink.next = shipment.number + 1;
      }
      response.setHeader("content-type", "application/json").end(JSON.stringify({ next: sink.next }));
    });
  });
  const port = await freePort();
  await new Promise<void>((done) => {
    server.listen(port, "127.0.0.1", done);
  });
  const sink: ShipmentSink = {
    url: `http://127.0.0.1:${port}`,
    shipments,
    next: 1,
    knowsRuns: true,
    async stop() {
      server.closeAllConnections();
      await new Promise<void>((done) => {
        server.close(() => done());
      });
    },
  };
  return sink;
}
