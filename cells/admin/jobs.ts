import Type from "typebox";
import { TenantIdSchema } from "../../common/contracts/ids.ts";
import { DeadLetter, DeadLetterList, DiscardJob, DiscardedJob, ReplayedJobs } from "../../common/contracts/jobs.ts";
import { Problem } from "../../common/contracts/problem.ts";
import type { Server } from "../../common/http/server.ts";
import type { TenantId } from "../../common/ids.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { cellError } from "../kit/errors.ts";
import { readLease } from "../kit/lease.store.ts";
import { countQueue } from "../kit/queue/counts.store.ts";
import {
  discardDeadLetter,
  listDeadLetters,
  readDeadLetter,
  replayDeadLetters,
} from "../kit/queue/dead-letters.store.ts";
import type { TenantDatabase, Transaction } from "../kit/tenant.store.ts";
import { requireCommand, type CommandOptions } from "./commands.ts";

export interface JobRouteOptions {
  readonly system: Pool;
  readonly database: TenantDatabase;
}

const params = Type.Object({ tenant: TenantIdSchema }, { additionalProperties: false });
const one = Type.Object(
  { tenant: TenantIdSchema, id: Type.String({ format: "uuid" }) },
  { additionalProperties: false },
);
const mostListed = 200;
const listed = 50;
const Page = Type.Object(
  {
    after: Type.Optional(Type.String({ format: "uuid" })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: mostListed })),
  },
  { additionalProperties: false },
);

/**
 * A tenant's queue and dead letters (contracts/jobs.ts). Reading works as long as the cell holds anything of the tenant; what changes something runs in
 * the tenant's own transaction, so that a tenant that is suspended, frozen or elsewhere is refused like everywhere else.
 */
export function jobRoutes(server: Server, { system, database }: JobRouteOptions, commands: CommandOptions): void {
  server.addHook("onRequest", async (request) => {
    await requireCommand(request, commands, ["control-plane", "worker"]);
  });

  server.get(
    "/v1/tenants/:tenant/jobs",
    {
      schema: {
        summary: "A tenant's queue in numbers, and its dead letters, latest job first",
        params,
        querystring: Page,
        response: { 200: DeadLetterList, default: Problem },
      },
    },
    async ({ params: { tenant }, query }) => {
      await mustHold(system, tenant);
      const page = await listDeadLetters(system, tenant, query.after, query.limit ?? listed);
      return { queue: await countQueue(system, tenant), ...page };
    },
  );

  server.get(
    "/v1/tenants/:tenant/jobs/:id",
    {
      schema: {
        summary: "A dead letter with its payload and errors",
        params: one,
        response: { 200: DeadLetter, default: Problem },
      },
    },
    async ({ params: { tenant, id } }) => (await readDeadLetter(system, tenant, id)) ?? absent(id),
  );

  const write = async <Result>(tenant: TenantId, work: (tx: Transaction) => Promise<Result>): Promise<Result> =>
    database.run({ tenant, epoch: null }, "write", work);
  const replay = async (tenant: TenantId, id?: string): Promise<ReplayedJobs> => {
    const replayed = await write(tenant, (tx) => replayDeadLetters(tx, id));
    if (id !== undefined && replayed === 0) absent(id);
    return { replayed, remaining: (await countQueue(system, tenant)).dead };
  };

  server.post(
    "/v1/tenants/:tenant/jobs/replay",
    {
      schema: {
        summary: "Has the oldest of a tenant's dead letters run again; repeat until none remains",
        params,
        response: { 200: ReplayedJobs, default: Problem },
      },
    },
    async ({ params: { tenant } }) => replay(tenant),
  );

  server.post(
    "/v1/tenants/:tenant/jobs/:id/replay",
    {
      schema: {
        summary: "Has a dead letter run again",
        params: one,
        response: { 200: ReplayedJobs, default: Problem },
      },
    },
    async ({ params: { tenant, id } }) => replay(tenant, id),
  );

  server.post(
    "/v1/tenants/:tenant/jobs/:id/discard",
    {
      schema: {
        summary: "Removes a dead letter for good",
        params: one,
        body: DiscardJob,
        response: { 200: DiscardedJob, default: Problem },
      },
    },
    async (request) => {
      const { tenant, id } = request.params;
      if (!(await write(tenant, (tx) => discardDeadLetter(tx, id)))) absent(id);
      request.log.info({ event: "dead-letter-discarded", tenant, job: id, reason: request.body.reason });
      return { id, discarded: true as const };
    },
  );
}

async function mustHold(system: Pool, tenant: TenantId): Promise<void> {
  if ((await readLease(system, tenant)) === undefined) throw cellError("no-lease", `No lease of ${tenant}.`);
}

function absent(id: string): never {
  throw cellError("unknown-dead-letter", `There is no dead letter ${id}.`);
}
