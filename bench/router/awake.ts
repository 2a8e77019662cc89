import { closeSync, openSync, writeSync } from "node:fs";

/** Linux's interface for latency (PM QoS): while it is open and says 0, idle cores wait awake instead of halting. */
const device = "/dev/cpu_dma_latency";

/**
 * Keeps idle cores from halting. Else each write of a proxy that is slower than generator and cells has to wake their core, which on a virtual machine
 * costs it microseconds that a faster one does not pay.
 * @returns what ends it; null where the machine does not let us.
 */
export function keepAwake(): (() => void) | null {
  try {
    const file = openSync(device, "r+");
    writeSync(file, Buffer.alloc(4));
    return () => closeSync(file);
  } catch {
    // No such device, or not ours to open: the report says that cores may halt.
    return null;
  }
}
