import Type from "typebox";
import { GrantLease, Lease } from "../../common/contracts/cell-admin.ts";
import { EpochSchema, TenantIdSchema } from "../../common/contracts/ids.ts";
import { Problem } from "../../common/contracts/problem.ts";
import type { Server } from "../../common/http/server.ts";
import type { CellState } from "../kit/cell-state.ts";
import { cellError } from "../kit/errors.ts";
import { grantLease, listLeases, readLease, refuseGrant, suspendLease } from "../kit/lease.store.ts";
import { requireCommand, type CommandOptions } from "./commands.ts";
import { moveRoutes, type MoveRouteOptions } from "./lease-moves.ts";

export interface LeaseRouteOptions extends MoveRouteOptions {
  readonly commands: CommandOptions;
  readonly state: Pick<CellState, "confirmed">;
}

const params = Type.Object({ tenant: TenantIdSchema }, { additionalProperties: false });
const Reason = Type.Object({ reason: Type.Optional(Type.String({ maxLength: 500 })) }, { additionalProperties: false });

/** The leases: which tenants this cell owns, and the registry's word about them. */
export function leaseRoutes(server: Server, options: LeaseRouteOptions): void {
  const { system, commands, state } = options;
  server.addHook("onRequest", async (request) => {
    await requireCommand(request, commands, ["control-plane", "worker"]);
    // What a restored database says of its leases may be long past; only the registry's confirmation changes it.
    if (request.method !== "GET" && !state.confirmed)
      throw cellError(
        "incarnation-unconfirmed",
        "The registry has not confirmed every lease for this life of the database.",
        {
          extra: { retryAfterSeconds: 5 },
        },
      );
  });

  server.get(
    "/v1/leases",
    {
      schema: {
        summary: "Every lease of this cell, tombstones too",
        response: { 200: Type.Object({ leases: Type.Array(Lease) }), default: Problem },
      },
    },
    async () => ({ leases: await listLeases(system) }),
  );

  server.get(
    "/v1/leases/:tenant",
    { schema: { summary: "What this cell holds of a tenant", params, response: { 200: Lease, default: Problem } } },
    async ({ params: { tenant } }) => {
      const lease = await readLease(system, tenant);
      if (lease === undefined) throw cellError("no-lease", `No lease of ${tenant}.`);
      return lease;
    },
  );

  server.put(
    "/v1/leases/:tenant",
    {
      schema: {
        summary: "Grants a tenant to this cell",
        params,
        body: GrantLease,
        response: { 200: Lease, default: Problem },
      },
    },
    async ({ params: { tenant }, body }) => {
      const outcome = await grantLease(system, tenant, body);
      switch (outcome.kind) {
        case "granted":
          return outcome.lease;
        case "refused-before":
          throw cellError(
            "grant-refused",
            `This cell said before that it would refuse ${tenant} at epoch ${body.epoch}.`,
          );
        case "held":
          throw cellError("grant-refused", `The lease is ${outcome.lease.state} at epoch ${outcome.lease.epoch}.`);
        default:
          return outcome satisfies never;
      }
    },
  );

  server.post(
    "/v1/leases/:tenant/refuse",
    {
      schema: {
        summary: "Has the cell refuse a grant for ever",
        params,
        body: Type.Object({ epoch: EpochSchema }, { additionalProperties: false }),
        response: { 200: Type.Object({ refused: Type.Literal(true) }), default: Problem },
      },
    },
    async ({ params: { tenant }, body }) => {
      const held = await refuseGrant(system, tenant, body.epoch);
      if (held !== undefined) throw cellError("lease-held", `The lease is ${held.state} at epoch ${held.epoch}.`);
      return { refused: true as const };
    },
  );

  for (const [verb, suspended] of [
    ["suspend", true],
    ["resume", false],
  ] as const) {
    server.post(
      `/v1/leases/:tenant/${verb}`,
      {
        schema: {
          summary: `${verb === "suspend" ? "Suspends" : "Resumes"} a tenant`,
          params,
          body: Reason,
          response: { 200: Lease, default: Problem },
        },
      },
      async ({ params: { tenant }, body }) => {
        const lease = await suspendLease(system, tenant, suspended, body.reason ?? null);
        if (lease === undefined) throw cellError("no-lease", `No lease of ${tenant}.`);
        return lease;
      },
    );
  }
  moveRoutes(server, options);
}
