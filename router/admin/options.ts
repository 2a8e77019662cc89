import type { FleetSubscription } from "../../common/fleet/subscription.ts";
import type { PartId } from "../../common/ids.ts";
import type { Logger } from "../../common/log.ts";
import type { Family } from "../../common/metrics/family.ts";
import type { RouterParts } from "../app.ts";
import type { TableAlarm } from "../table/alarms.ts";

/** The process, as far as its admin API may change it. */
export interface Control {
  /** Whether the balancer should send requests here; false while draining and stopping. */
  readonly ready: () => boolean;
  readonly draining: () => boolean;
  readonly drain: (on: boolean) => void;
}

export interface AdminOptions {
  readonly id: PartId;
  readonly parts: RouterParts;
  readonly subscription: Pick<FleetSubscription, "status" | "document" | "trust">;
  readonly control: Control;
  readonly alarms: () => readonly TableAlarm[];
  readonly metrics: () => readonly Family[];
  /** Whether clusters and routes are given to Envoy, without a token: it has none. */
  readonly envoyExport: boolean;
  readonly startedAt: Date;
  readonly log: Logger;
}
