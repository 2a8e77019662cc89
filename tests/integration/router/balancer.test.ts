import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { Agent } from "node:http";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Balancer } from "../../support/haproxy.ts";
import { freePort } from "../../support/ports.ts";
import { Bed } from "./bed.ts";
import { ask, until } from "./client.ts";
import { RouterProcess } from "./router-process.ts";

const clients = 8;

/** Two routers as processes behind a TCP balancer, both from the same document, under steady load. */
describe("two routers behind a balancer", () => {
  const bed = new Bed();
  let routers: [RouterProcess, RouterProcess];
  let balancer: Balancer;

  before(async () => {
    await bed.start();
    await bed.router.stop();
    const pem = bed.routerKey.privateKey.export({ format: "pem", type: "pkcs8" });
    writeFileSync(join(bed.directory, "router.pem"), pem, { mode: 0o600 });
    const make = async () => new RouterProcess(bed, await freePort(), await freePort());
    routers = [await make(), await make()];
    await routers[0].start({ FLEET_DIRECTORY: join(bed.directory, "fleet-1") });
    await routers[1].start({ FLEET_DIRECTORY: join(bed.directory, "fleet-2") });
    balancer = await Balancer.start(bed.directory, routers);
    await until(
      async () => {
        try {
          return (await ask(balancer.port)).status === 200;
        } catch {
          // It has not begun to listen, or knows of no router that is ready.
          return false;
        }
      },
      "the balancer passes requests on",
      60_000,
    );
  });
  after(async () => {
    await balancer?.stop();
    for (const router of routers ?? []) await router.end("SIGKILL");
    await bed.stop();
  });

  /** Steady load by clients that keep their connections, as long as something goes on. Each client sends one request after another. */
  async function under(work: () => Promise<void>): Promise<{ readonly answered: number; readonly failed: string[] }> {
    const agent = new Agent({ keepAlive: true, maxSockets: clients });
    const failed: string[] = [];
    let answered = 0;
    let running = true;
    const load = Array.from({ length: clients }, async (_, n) => {
      while (running) {
        const options = n % 2 === 0 ? { agent } : { agent, method: "POST", body: "{}" };
        try {
          const { status, json } = await ask(balancer.port, options);
          answered += 1;
          if (status !== 200 || json["cell"] !== "cell-1") failed.push(`answered ${status}`);
        } catch (error) {
          failed.push(String((error as NodeJS.ErrnoException).code ?? error));
        }
        await sleep(5);
      }
    });
    await sleep(300);
    await work();
    await sleep(300);
    running = false;
    await Promise.all(load);
    agent.destroy();
    return { answered, failed };
  }

  it("one is restarted by SIGTERM while requests come: not one of them fails", async () => {
    const { answered, failed } = await under(async () => {
      assert.equal(await routers[0].end("SIGTERM"), 0);
      await routers[0].start({ FLEET_DIRECTORY: join(bed.directory, "fleet-1") });
      await sleep(500);
    });
    assert.deepEqual(failed, []);
    assert.ok(answered > 100, `${answered} answered`);
  });

  it("fault 1: kill -9 of one of two: the peer serves, only what was in flight fails, and it is back from its disk", async () => {
    let backAfterMs = Number.NaN;
    const { answered, failed } = await under(async () => {
      await routers[0].end("SIGKILL");
      await sleep(500);
      const begin = performance.now();
      await routers[0].start({ FLEET_DIRECTORY: join(bed.directory, "fleet-1") });
      backAfterMs = performance.now() - begin;
      await sleep(500);
    });
    // Of a client's connection, the request in flight and the one that met it closed.
    assert.ok(failed.length <= 2 * clients, failed.join(", "));
    assert.ok(answered > 100, `${answered} answered`);
    assert.ok(backAfterMs < 20_000, `${backAfterMs} ms`);
    assert.equal((await ask(routers[0].port)).status, 200);
  });
});
