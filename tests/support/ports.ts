import { randomInt } from "node:crypto";
import { isFree } from "../../cells/drivers/local/free-port.ts";

const tries = 200;

/**
 * A port that nobody listens on, below the ephemeral range, so that no outgoing connection of another test takes it meanwhile.
 * Between 12,000 and 19,999, away from the blocks that fleets take.
 */
export async function freePort(): Promise<number> {
  for (let count = 0; count < tries; count++) {
    const port = randomInt(12_000, 20_000);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port found in ${tries} tries`);
}
