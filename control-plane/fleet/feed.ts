import type { Generation } from "../../common/contracts/fleet.ts";
import { compareGenerations } from "../../common/fleet/document.ts";
import type { EventStream } from "../api/event-stream.ts";
import type { FleetPublisher } from "./publisher.ts";

/** A subscriber hears at least this often that it is up to date; it takes three missed checks for a dead stream. */
const checkEveryMs = 4_000;
const batch = 200;

/**
 * Feeds one subscriber: the deltas after its generation as they are signed, in order and at its own pace, and checks in between.
 * Ends with `reset` where the deltas it needs are forgotten or its generation is none of ours.
 */
export async function feed(publisher: FleetPublisher, stream: EventStream, from: Generation): Promise<void> {
  let at = from;
  let woken = new AbortController();
  const unfollow = publisher.follow(() => woken.abort());
  try {
    while (!stream.closed) {
      // Taken before reading, so that what is signed meanwhile is not slept through.
      woken = new AbortController();
      const deltas = await publisher.after(at, batch);
      if (deltas === null) {
        await stream.send("reset", "{}");
        return;
      }
      for (const { to, envelope } of deltas) {
        await stream.send("delta", JSON.stringify(envelope));
        at = to;
      }
      if (deltas.length > 0) continue;
      await sendCheck(publisher, stream, at);
      await stream.pause(checkEveryMs, woken.signal);
    }
  } finally {
    unfollow();
  }
}

/** A subscriber may be ahead for a moment, when its snapshot held what is not signed yet; then there is nothing to compare. */
async function sendCheck(publisher: FleetPublisher, stream: EventStream, at: Generation): Promise<void> {
  const { term, n, hash } = publisher.position;
  if (compareGenerations(at, { term, n }) !== 0) return;
  await stream.send("check", JSON.stringify({ generation: { term, n }, hash }));
}
