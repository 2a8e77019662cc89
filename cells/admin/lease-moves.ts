import Type from "typebox";
import {
  FreezeStep,
  ImportLease,
  Lease,
  LeaseStep,
  ReadyLease,
  ReleaseLease,
} from "../../common/contracts/cell-admin.ts";
import { OperationIdSchema, TenantIdSchema } from "../../common/contracts/ids.ts";
import { Problem } from "../../common/contracts/problem.ts";
import type { Server } from "../../common/http/server.ts";
import type { OperationId, TenantId } from "../../common/ids.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { signToken } from "../../common/tokens.ts";
import { uuidv7 } from "../../common/uuid.ts";
import type { Activator } from "../kit/activation.ts";
import { cellError } from "../kit/errors.ts";
import { abortImport, beginImport, makeReady, type StepOutcome } from "../kit/lease-import.store.ts";
import { freezeLease, releaseLease, takeAttempt, thawLease } from "../kit/lease-owner.store.ts";
import { readLease } from "../kit/lease.store.ts";
import type { CellSigner } from "../kit/lease-word.ts";

export interface MoveRouteOptions {
  readonly system: Pool;
  readonly signer: CellSigner;
  readonly activator: Activator;
}

const params = Type.Object({ tenant: TenantIdSchema }, { additionalProperties: false });
const answers = { 200: Lease, default: Problem };

/** The steps of a move, each a compare-and-set on the lease row; the state tables stand in kit/lease-owner.store.ts and kit/lease-import.store.ts. */
export function moveRoutes(server: Server, options: MoveRouteOptions): void {
  ownerRoutes(server, options);
  destinationRoutes(server, options);
}

function ownerRoutes(server: Server, { system, signer }: MoveRouteOptions): void {
  const Operation = Type.Object({ operation: OperationIdSchema }, { additionalProperties: false });
  server.post(
    "/v1/leases/:tenant/attempt",
    {
      schema: {
        summary: "Gives an operation the next attempt number, and thaws what an older attempt froze",
        params,
        body: Operation,
        response: answers,
      },
    },
    async ({ params: { tenant }, body }) => leaseOf(await takeAttempt(system, tenant, body.operation), body),
  );

  server.post(
    "/v1/leases/:tenant/freeze",
    {
      schema: { summary: "Stops a tenant's writes for at most 3 s", params, body: LeaseStep, response: answers },
    },
    async ({ params: { tenant }, body }) => leaseOf(await freezeLease(system, tenant, body, uuidv7()), body),
  );

  server.post(
    "/v1/leases/:tenant/thaw",
    {
      schema: { summary: "Ends a freeze before its deadline", params, body: FreezeStep, response: answers },
    },
    async ({ params: { tenant }, body }) => leaseOf(await thawLease(system, tenant, body), body),
  );

  server.post(
    "/v1/leases/:tenant/release",
    {
      schema: { summary: "Gives a frozen tenant to another cell", params, body: ReleaseLease, response: answers },
    },
    async ({ params: { tenant }, body }) => {
      if (body.destination === signer.cell)
        throw cellError("lease-moved-on", "A tenant is not released to the cell that holds it.");
      const held = await readLease(system, tenant);
      if (held === undefined) throw cellError("no-lease", `No lease of ${tenant}.`);
      const record = await signRecord(signer, tenant, held.epoch, body);
      return leaseOf(await releaseLease(system, tenant, body, held.epoch, record), body);
    },
  );
}

async function signRecord(signer: CellSigner, tenant: TenantId, epoch: number, body: ReleaseLease): Promise<string> {
  const { destination, addresses, operation, freeze } = body;
  const iat = Math.floor(signer.clock.now() / 1000);
  const record = { tenant, from: signer.cell, epoch: epoch + 1, destination, addresses, operation, freeze, iat };
  return signToken("cp-release-record", record, signer.key);
}

function destinationRoutes(server: Server, { system, signer, activator }: MoveRouteOptions): void {
  server.post(
    "/v1/leases/:tenant/import",
    {
      schema: {
        summary: "Begins to take a tenant from another cell, or begins again",
        params,
        body: ImportLease,
        response: answers,
      },
    },
    async ({ params: { tenant }, body }) => {
      if (body.source === signer.cell)
        throw cellError("lease-moved-on", "A tenant is not imported from the cell that takes it.");
      return leaseOf(await beginImport(system, tenant, body), body);
    },
  );

  server.post(
    "/v1/leases/:tenant/ready",
    {
      schema: {
        summary: "Says that all rows have come, under that freeze",
        params,
        body: ReadyLease,
        response: answers,
      },
    },
    async ({ params: { tenant }, body }) => leaseOf(await makeReady(system, tenant, body), body),
  );

  server.post(
    "/v1/leases/:tenant/abort",
    {
      schema: {
        summary: "Gives an import up",
        params,
        body: LeaseStep,
        response: {
          200: Type.Object({ lease: Type.Union([Lease, Type.Null()]) }, { additionalProperties: false }),
          default: Problem,
        },
      },
    },
    async ({ params: { tenant }, body }) => {
      const outcome = await abortImport(system, tenant, body);
      if (outcome.kind !== "done") return { lease: leaseOf(outcome, body) };
      return { lease: outcome.lease ?? null };
    },
  );

  server.post(
    "/v1/leases/:tenant/activate",
    {
      schema: {
        summary: "Takes the tenant by its release record",
        params,
        body: Type.Object({ record: Type.String({ minLength: 1, maxLength: 8_192 }) }, { additionalProperties: false }),
        response: answers,
      },
    },
    async ({ params: { tenant }, body }) => activator.bring(body.record, tenant),
  );
}

/** @throws attempt-outranked, lease-moved-on, no-lease */
function leaseOf(outcome: StepOutcome, step: { readonly operation: OperationId; readonly attempt?: number }): Lease {
  switch (outcome.kind) {
    case "done":
      return outcome.lease;
    case "outranked": {
      const { lease } = outcome;
      const newer =
        lease === undefined
          ? "the import was given up"
          : `attempt ${lease.attempt} of ${lease.operation ?? "none"} has it`;
      throw cellError("attempt-outranked", `Attempt ${step.attempt ?? "new"} of ${step.operation}: ${newer}.`);
    }
    case "moved-on": {
      const { lease } = outcome;
      if (lease === undefined) throw cellError("no-lease", "This cell holds nothing of the tenant.");
      throw cellError("lease-moved-on", `The lease is ${lease.state} at epoch ${lease.epoch}.`);
    }
    default:
      return outcome satisfies never;
  }
}
