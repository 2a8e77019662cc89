import type { Clock } from "../../common/clock.ts";
import type { Logger } from "../../common/log.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import type { PartKeys } from "../auth/part-keys.ts";
import type { LeaseTrouble } from "../fleet/lease-reconciler.ts";
import type { Monitor } from "../fleet/monitor.ts";
import type { PartClient } from "../fleet/part-client.ts";
import type { FleetPublisher } from "../fleet/publisher.ts";
import type { Loop } from "../loop.ts";
import type { HostedZone } from "../operations/dns.ts";
import type { DnsSettings } from "../operations/dns-input.ts";
import type { WorkflowEngine } from "../operations/temporal.ts";
import type { AddressRules } from "../registry/cell-addresses.ts";
import type { BlobStore } from "../registry/blobs.ts";
import type { Notifications } from "../registry/notifications.store.ts";
import type { WebhookClient } from "../webhooks/client.ts";
import type { OpenStreams } from "./event-stream.ts";

/** All that the routes work with. Nothing of it is touched before a request comes. */
export interface ApiContext {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly log: Logger;
  readonly cookieName: string;
  readonly partKeys: PartKeys;
  readonly publisher: FleetPublisher;
  readonly parts: PartClient;
  readonly monitor: Monitor;
  readonly leases: { readonly loop: Loop; readonly trouble: LeaseTrouble };
  readonly starter: Loop;
  readonly lineKeeper: Loop;
  readonly webhooks: WebhookClient;
  readonly engine: WorkflowEngine;
  /** Why there is no Temporal, where that is known. */
  readonly temporalMissing: string;
  readonly zone: HostedZone;
  readonly dns: DnsSettings;
  readonly blobs: BlobStore;
  readonly notifications: Notifications;
  readonly streams: OpenStreams;
  /** Folder of the built dashboard; it may appear later. */
  readonly dashboardDirectory: string;
  /** Where cells, and receivers of webhooks, may be. */
  readonly cellAddresses: AddressRules;
  /** How long a creation waits for the tenant to be served, in milliseconds. */
  readonly creationWaitMs: number;
}
