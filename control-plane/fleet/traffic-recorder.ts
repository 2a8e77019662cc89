import Value from "typebox/value";
import type { Clock } from "../../common/clock.ts";
import { Samples } from "../../common/contracts/samples.ts";
import { NoAnswer } from "../../common/http/exchange.ts";
import type { Logger } from "../../common/log.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { Loop } from "../loop.ts";
import { listParts } from "../registry/parts.store.ts";
import { dropReadings, storeReading } from "../registry/readings.store.ts";
import type { PartClient } from "./part-client.ts";

const everyMs = 30_000;
const timeoutMs = 3_000;
/** An hour before a deploy is asked for, and a wave may wait a while until it bakes. */
const keptMs = 3 * 3_600_000;

/**
 * Notes the routers' counters each minute, so that what a cell's traffic was before a deploy is known when the deploy is judged. A router that does not
 * answer is left out: its next reading covers the time between.
 */
export function createTrafficRecorder(options: {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly parts: PartClient;
  readonly log: Logger;
}): Loop {
  const { pool, clock, parts, log } = options;

  async function read(id: string, url: string): Promise<Samples | null> {
    try {
      const { status, body } = await parts.call({ url: `${url}/v1/samples`, audience: id, timeoutMs });
      return status === 200 && Value.Check(Samples, body) ? { ...body, source: id } : null;
    } catch (error) {
      if (error instanceof NoAnswer) return null;
      throw error;
    }
  }

  return new Loop({
    name: "traffic-recorder",
    everyMs,
    log,
    async work() {
      const routers = (await listParts(pool)).flatMap(({ id, role, url }) =>
        role === "router" && url !== null ? [{ id: String(id), url }] : [],
      );
      const readings = await Promise.all(routers.map(({ id, url }) => read(id, url)));
      const now = clock.now();
      for (const reading of readings) if (reading !== null) await storeReading(pool, reading, new Date(now));
      await dropReadings(pool, new Date(now - keptMs));
    },
  });
}
