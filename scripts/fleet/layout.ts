import type { FleetFile } from "../../common/contracts/home.ts";
import { cellId, type CellId } from "../../common/ids.ts";

/** Regions of the first cells, in turn. */
const regions = ["eu", "us"] as const;

/** Name and region of the n-th cell, counted from 0. */
export function nthCell(index: number): { readonly id: CellId; readonly region: string } {
  return { id: cellId(`cell-${index + 1}`), region: regions[index % regions.length] ?? regions[0] };
}

/** Addresses that follow from the ports. */
export function urlsOf(ports: FleetFile["ports"], temporal: FleetFile["urls"]["temporal"]): FleetFile["urls"] {
  const local = (port: number): string => `http://127.0.0.1:${port}`;
  return {
    router: local(ports.router),
    routerAdmin: local(ports.routerAdmin),
    controlPlane: local(ports.controlPlane),
    dashboard: `${local(ports.controlPlane)}/`,
    aggregator: local(ports.aggregator),
    worker: local(ports.worker),
    temporal,
  };
}
