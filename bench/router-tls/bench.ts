import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeCertificate } from "../../tests/support/tls/certificate.ts";
import { freePort } from "../../tests/support/ports.ts";
import { alternate } from "../runner/alternate.ts";
import type { Bench, Row } from "../runner/contract.ts";
import { Generator } from "../runner/generator.ts";
import { cellOf, hostOf, keyOf } from "../router/fleet.ts";
import { Stage } from "../router/stage.ts";
import { wrk } from "../router/wrk.ts";
import type { Order, Result, Way } from "./load.ts";

const asking = 500;
const names: Readonly<Record<Exclude<Way, "plain">, string>> = { tls: "TLS", h2: "HTTP/2 over TLS" };

export default {
  number: null,
  question:
    "What do TLS from clients, and HTTP/2, cost of a request on connections that are kept, in the router's CPU time?",
  goal: "none; the figures stand in docs/router.md",
  peers: [wrk],
  async run(context) {
    const certificates = join(context.folder, "certificates");
    mkdirSync(certificates);
    const { cert, key } = makeCertificate(["*.bench.example"]);
    writeFileSync(join(certificates, "bench.crt"), cert);
    writeFileSync(join(certificates, "bench.key"), key);
    const tlsPort = await freePort();
    const stage = await Stage.start(context.folder, ["router"], {
      TLS_DIRECTORY: certificates,
      TLS_PORT: String(tlsPort),
    });
    const load = new Generator<Order, Result>(join(import.meta.dirname, "load.ts"));
    const { router } = stage.contenders;
    const measure = async (way: Way, inFlight: number): Promise<number> => {
      const before = router.cpuSeconds();
      const port = way === "plain" ? router.port : tlsPort;
      const order = { way, port, inFlight, seconds: context.short ? 1 : 2, servername: hostOf(0), requests };
      const { answered, wrong, example } = await load.run(order);
      stage.wrong += wrong;
      stage.example ??= example;
      return answered / (router.cpuSeconds() - before);
    };
    try {
      const rows: Row[] = [];
      const notes: string[] = [];
      for (const way of ["plain", "tls", "h2"] as const) await measure(way, 64);
      for (const way of ["tls", "h2"] as const) {
        for (const inFlight of [8, 32, 128]) {
          const { rows: both, ratio } = await alternate(
            {
              size: `${names[way]}, ${inFlight} in flight`,
              peer: "plain HTTP/1.1",
              ours: () => measure(way, inFlight),
              theirs: () => measure("plain", inFlight),
              show: (figure) => `${Math.round(figure).toLocaleString("en")} /s`,
            },
            context,
          );
          rows.push(...both);
          notes.push(`${names[way]}, ${inFlight} in flight: a request costs ${(1 / ratio).toFixed(1)} times as much.`);
        }
      }
      notes.push("A figure is right answers for a second of the router's own CPU time; handshakes are not in it.");
      if (stage.example !== null) notes.push(`A wrong answer: ${stage.example.replaceAll(/\s+/g, " ")}`);
      return { rows, notes, wrong: stage.wrong };
    } finally {
      await load.stop();
      await stage.stop();
    }
  },
} satisfies Bench;

const requests: Order["requests"] = Array.from({ length: asking }, (_, tenant) => ({
  host: hostOf(tenant),
  authorization: `Bearer ${keyOf(tenant)}`,
  contains: JSON.stringify({ cell: cellOf(tenant), host: hostOf(tenant), assertion: true }),
}));
