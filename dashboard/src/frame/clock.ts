import { useSyncExternalStore } from "react";

const listeners = new Set<() => void>();
let now = Date.now();
let timer: number | undefined;

/** The time in milliseconds, anew each second; one timer for all that show an age or a countdown. */
export function useNow(): number {
  return useSyncExternalStore(listen, () => now);
}

function listen(changed: () => void): () => void {
  listeners.add(changed);
  timer ??= window.setInterval(tick, 1000);
  return () => {
    listeners.delete(changed);
    if (listeners.size > 0) return;
    window.clearInterval(timer);
    timer = undefined;
  };
}

function tick(): void {
  now = Date.now();
  for (const listener of listeners) listener();
}
