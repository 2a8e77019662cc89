import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import type { ChangeEvent } from "../../../common/contracts/control-plane.ts";

/** What must be asked again when something of a kind changed. */
const affected: Readonly<Record<ChangeEvent["kind"], readonly string[]>> = {
  rollout: ["overview", "rollout", "rollouts", "releases", "line", "audit"],
  cell: ["overview"],
  tenant: ["overview", "tenants", "audit"],
  release: ["releases", "audit"],
};

/** A rollout tells of many changes at once; they are asked for together. */
const gatherMs = 150;

/**
 * Listens to the control plane's events and asks anew for what they concern.
 * @returns whether the stream is open
 */
export function useLiveEvents(): boolean {
  const client = useQueryClient();
  const [live, setLive] = useState(false);
  useEffect(() => {
    const source = new EventSource("/v1/events");
    const changed = new Set<string>();
    let timer: number | undefined;
    const flush = () => {
      timer = undefined;
      for (const key of changed) void client.invalidateQueries({ queryKey: [key] });
      changed.clear();
    };
    for (const [kind, keys] of Object.entries(affected)) {
      source.addEventListener(kind, () => {
        for (const key of keys) changed.add(key);
        timer ??= window.setTimeout(flush, gatherMs);
      });
    }
    source.addEventListener("open", () => {
      setLive(true);
      // Whatever happened while nobody listened.
      void client.invalidateQueries();
    });
    source.addEventListener("error", () => setLive(false));
    return () => {
      window.clearTimeout(timer);
      source.close();
    };
  }, [client]);
  return live;
}
