import type { Logger } from "../../common/log.ts";
import { inTransaction, type Pool } from "../../common/postgres/pool.ts";
import { Loop } from "../loop.ts";
import type { WebhookClient } from "./client.ts";
import { pauseAfter, pausesSeconds } from "./schedule.ts";
import { dropMessages, settleDelivery, switchOff, takeDue, type Delivery } from "./webhooks.store.ts";

const everyMs = 2_000;
/** Side by side. One receiver that is silent holds the others up for as long as one try lasts. */
const atOnce = 20;
/** Longer than a try lasts: whoever took a delivery and has not settled it by then is dead. */
const leaseSeconds = 60;
/** What happened longer ago is read in the rollout's own history. */
const keptDays = 30;
const gone = 410;

export interface DelivererOptions {
  readonly pool: Pool;
  readonly client: WebhookClient;
  readonly log: Logger;
  /** Seconds between tries; as Standard Webhooks recommends, unless a test wants them shorter. */
  readonly pauses?: readonly number[];
}

/**
 * Brings messages to their receivers, at least once each: what was taken and not settled is taken again. A receiver that fails is tried again ever more rarely, and
 * then no more; one that says it is gone is left alone.
 */
export function createDeliverer({ pool, client, log, pauses = pausesSeconds }: DelivererOptions): Loop {
  async function deliver(delivery: Delivery): Promise<void> {
    const { id: endpoint, message, tries } = delivery;
    const { status, error } = await client.send(delivery, { id: message, body: delivery.body });
    const pauseSeconds = error === null ? null : pauseAfter(tries, Math.random(), pauses);
    await inTransaction(pool, async (tx) => {
      await settleDelivery(tx, delivery, { status, error, pauseSeconds });
      if (status === gone) await switchOff(tx, endpoint);
    });
    if (error === null) return;
    const event = pauseSeconds === null || status === gone ? "webhook-given-up" : "webhook-not-delivered";
    log.warn({ event, endpoint, message, tries, status, error });
  }

  const loop = new Loop({
    name: "webhooks",
    everyMs,
    log,
    async work() {
      const due = await takeDue(pool, atOnce, leaseSeconds);
      await Promise.all(due.map(deliver));
      await dropMessages(pool, keptDays);
      // A round of its own, so that a stop does not wait for all that is due.
      if (due.length === atOnce) loop.signal();
    },
  });
  return loop;
}
