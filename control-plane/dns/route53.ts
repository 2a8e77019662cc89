import {
  ChangeResourceRecordSetsCommand,
  type Change,
  CreateHealthCheckCommand,
  DeleteHealthCheckCommand,
  GetChangeCommand,
  ListHealthChecksCommand,
  ListResourceRecordSetsCommand,
  type ResourceRecordSet,
  Route53Client,
} from "@aws-sdk/client-route-53";
import type { DnsHealthCheck } from "../../common/contracts/dns.ts";
import type { PacedCalls } from "./pacing.ts";

export interface Route53Settings {
  /** Another address than AWS's own, e.g. of a simulator; null: AWS. */
  readonly endpoint: string | null;
  /** Null: the SDK looks for credentials where it always does (environment, profile, role). */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | null;
}

/** What we need of Route 53, every request paced. */
export interface Route53 {
  /** All record sets of the zone, as listed. */
  listRecords(zoneId: string): Promise<readonly ResourceRecordSet[]>;
  listHealthChecks(): Promise<readonly { readonly id: string; readonly reference: string }[]>;
  /** @returns the health check's id; the same for the same check, however often it is asked for. */
  createHealthCheck(check: DnsHealthCheck): Promise<string>;
  deleteHealthCheck(id: string): Promise<void>;
  /** Applies a batch wholly or not at all. @returns the change's id. */
  change(zoneId: string, comment: string, changes: readonly Change[]): Promise<string>;
  /** Whether all name servers have the change. */
  isInSync(changeId: string): Promise<boolean>;
  close(): void;
}

// A zone holds at most 10,000 records and an account 200 health checks unless AWS raises it; both lists are cut off
// ten times above, so that a fault of the other side cannot keep us listing for ever.
const maxPages = 1_000;

const connectTimeoutMs = 5_000;
const requestTimeoutMs = 15_000;

/** A client of Route 53, or of what stands at `endpoint`. */
export function connectRoute53(settings: Route53Settings, paced: PacedCalls): Route53 {
  const client = new Route53Client({
    // Route 53 is one service for the world, reached as this region.
    region: "us-east-1",
    // Our own pacing tries again; two of them would multiply.
    maxAttempts: 1,
    requestHandler: { connectionTimeout: connectTimeoutMs, requestTimeout: requestTimeoutMs },
    ...(settings.endpoint === null ? {} : { endpoint: settings.endpoint }),
    ...(settings.credentials === null ? {} : { credentials: settings.credentials }),
  });

  return {
    async listRecords(zoneId) {
      const records: ResourceRecordSet[] = [];
      let from: Partial<Pick<ResourceRecordSet, "Name" | "Type" | "SetIdentifier">> = {};
      for (let page = 0; page < maxPages; page += 1) {
        const command = new ListResourceRecordSetsCommand({
          HostedZoneId: zoneId,
          StartRecordName: from.Name,
          StartRecordType: from.Type,
          StartRecordIdentifier: from.SetIdentifier,
        });
        const answer = await paced.call(() => client.send(command));
        records.push(...(answer.ResourceRecordSets ?? []));
        if (answer.IsTruncated !== true) break;
        from = { Name: answer.NextRecordName, Type: answer.NextRecordType, SetIdentifier: answer.NextRecordIdentifier };
      }
      return records;
    },

    async listHealthChecks() {
      const checks: { id: string; reference: string }[] = [];
      let marker: string | undefined;
      for (let page = 0; page < maxPages; page += 1) {
        const answer = await paced.call(() => client.send(new ListHealthChecksCommand({ Marker: marker })));
        for (const { Id: id, CallerReference: reference } of answer.HealthChecks ?? []) {
          if (id !== undefined && reference !== undefined) checks.push({ id, reference });
        }
        if (answer.IsTruncated !== true) break;
        marker = answer.NextMarker;
      }
      return checks;
    },

    async createHealthCheck(check) {
      const command = new CreateHealthCheckCommand({
        CallerReference: check.reference,
        HealthCheckConfig: {
          // Route 53 speaks TLS to this port without asking for a valid certificate, so that an address alone will do.
          Type: check.port === 443 ? "HTTPS" : "HTTP",
          IPAddress: check.address,
          Port: check.port,
          ResourcePath: check.path,
          RequestInterval: check.intervalSeconds,
          FailureThreshold: check.failures,
        },
      });
      const { HealthCheck } = await paced.call(() => client.send(command));
      return required(HealthCheck?.Id, "health check");
    },

    async deleteHealthCheck(id) {
      await paced.call(() => client.send(new DeleteHealthCheckCommand({ HealthCheckId: id })));
    },

    async change(zoneId, comment, changes) {
      const batch = { HostedZoneId: zoneId, ChangeBatch: { Comment: comment, Changes: [...changes] } };
      const { ChangeInfo } = await paced.call(() => client.send(new ChangeResourceRecordSetsCommand(batch)));
      return required(ChangeInfo?.Id, "change");
    },

    async isInSync(changeId) {
      const { ChangeInfo } = await paced.call(() => client.send(new GetChangeCommand({ Id: changeId })));
      return ChangeInfo?.Status === "INSYNC";
    },

    close: () => client.destroy(),
  };
}

function required(id: string | undefined, what: string): string {
  if (id === undefined) throw new TypeError(`Route 53 gave the ${what} no id`);
  return id;
}
