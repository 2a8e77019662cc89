import type { FastifyReply, FastifyRequest } from "fastify";
import Type, { type Static, type TSchema } from "typebox";
import Value from "typebox/value";
import { roles } from "../../common/contracts/control-plane.ts";
import { SlugSchema } from "../../common/contracts/ids.ts";
import { DeadLetter, DeadLetterList, DiscardJob, DiscardedJob, ReplayedJobs } from "../../common/contracts/jobs.ts";
import { problemContentType } from "../../common/contracts/problem.ts";
import { NoAnswer } from "../../common/http/exchange.ts";
import type { Server } from "../../common/http/server.ts";
import { personOf } from "../auth/access.ts";
import { fail } from "../errors.ts";
import type { PartAnswer } from "../fleet/part-client.ts";
import { findCell } from "../registry/cells.store.ts";
import { change } from "../registry/change.ts";
import { findTenant } from "../registry/tenants.store.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";

/** A cell's transaction lasts 5 s at most. */
const timeoutMs = 8_000;
const mostListed = 200;
const bySlug = Type.Object({ slug: SlugSchema }, { additionalProperties: false });
const byId = Type.Object({ slug: SlugSchema, id: Type.String({ format: "uuid" }) }, { additionalProperties: false });
const Page = Type.Object(
  {
    after: Type.Optional(Type.String({ format: "uuid" })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: mostListed })),
  },
  { additionalProperties: false },
);

/**
 * A tenant's jobs, asked from its cell. Payloads and messages of errors are the tenant's data: a viewer sees which jobs failed, how often and when; who reads
 * what is in them stands in the audit, as does every replay and discard, before it is tried.
 */
export function jobRoutes(server: Server, context: ApiContext): void {
  const audited = async (request: FastifyRequest, action: string, reason?: string): Promise<void> => {
    const { slug, id } = request.params as { readonly slug: string; readonly id?: string };
    await change(context, { actor: personOf(request).name, reason }, async (step) =>
      step.audit(action, id === undefined ? slug : `${slug}/${id}`),
    );
  };

  server.route({
    method: "GET",
    url: "/v1/tenants/:slug/jobs",
    config: { access: "viewer" },
    schema: {
      summary: "A tenant's queue in numbers, and its dead letters, latest job first",
      params: bySlug,
      querystring: Page,
      response: answers(DeadLetterList),
    },
    handler: async (request, reply) => {
      const { after, limit } = request.query;
      const search = new URLSearchParams({
        ...(after === undefined ? {} : { after }),
        ...(limit === undefined ? {} : { limit: String(limit) }),
      });
      return await ask(context, reply, DeadLetterList, request.params.slug, {
        path: `?${search.toString()}`,
      });
    },
  });

  server.route({
    method: "GET",
    url: "/v1/tenants/:slug/jobs/:id",
    config: { access: "viewer" },
    schema: {
      summary: "A dead letter; its payload and errors for operators only",
      params: byId,
      response: answers(DeadLetter),
    },
    handler: async (request, reply) => {
      const { slug, id } = request.params;
      const mayRead = roles.indexOf(personOf(request).role) >= roles.indexOf("operator");
      if (mayRead) await audited(request, "job.read");
      const letter = await ask(context, reply, DeadLetter, slug, { path: `/${id}` });
      if (mayRead || reply.sent) return letter;
      const { payload: _payload, errors: _errors, ...summary } = letter;
      return summary;
    },
  });

  server.route({
    method: "POST",
    url: "/v1/tenants/:slug/jobs/replay",
    config: { access: "operator" },
    schema: {
      summary: "Have the oldest of a tenant's dead letters run again; repeat until none remains",
      params: bySlug,
      response: answers(ReplayedJobs),
    },
    handler: async (request, reply) => {
      await audited(request, "job.replay-all");
      return await ask(context, reply, ReplayedJobs, request.params.slug, { path: "/replay", method: "POST" });
    },
  });

  server.route({
    method: "POST",
    url: "/v1/tenants/:slug/jobs/:id/replay",
    config: { access: "operator" },
    schema: { summary: "Have a dead letter run again", params: byId, response: answers(ReplayedJobs) },
    handler: async (request, reply) => {
      const { slug, id } = request.params;
      await audited(request, "job.replay");
      return await ask(context, reply, ReplayedJobs, slug, { path: `/${id}/replay`, method: "POST" });
    },
  });

  server.route({
    method: "POST",
    url: "/v1/tenants/:slug/jobs/:id/discard",
    config: { access: "operator" },
    schema: {
      summary: "Remove a dead letter for good",
      params: byId,
      body: DiscardJob,
      response: answers(DiscardedJob),
    },
    handler: async (request, reply) => {
      const { slug, id } = request.params;
      await audited(request, "job.discard", request.body.reason);
      const body = { reason: request.body.reason };
      return await ask(context, reply, DiscardedJob, slug, { path: `/${id}/discard`, method: "POST", body });
    },
  });
}

interface CellCall {
  /** What follows `/v1/tenants/<id>/jobs`. */
  readonly path: string;
  readonly method?: "GET" | "POST";
  readonly body?: unknown;
}

/** Asks the tenant's cell. What it refuses is passed on as it is. @throws unknown-tenant, cell-silent */
async function ask<Answer extends TSchema>(
  { pool, parts }: ApiContext,
  reply: FastifyReply,
  schema: Answer,
  slug: string,
  { path, method = "GET", body }: CellCall,
): Promise<Static<Answer>> {
  const tenant = await findTenant(pool, slug);
  const cell = tenant === null ? null : await findCell(pool, tenant.cell);
  if (tenant === null || cell === null) throw fail("unknown-tenant", `There is no tenant ${slug}.`);
  const url = `${cell.slots[cell.liveSlot].adminUrl}/v1/tenants/${tenant.id}/jobs${path}`;
  let answer: PartAnswer;
  try {
    answer = await parts.call({ url, audience: cell.id, method, timeoutMs, ...(body === undefined ? {} : { body }) });
  } catch (cause) {
    if (!(cause instanceof NoAnswer)) throw cause;
    throw fail("cell-silent", `${cell.id} gave no answer in time.`, { cause });
  }
  if (answer.status < 400 && Value.Check(schema, answer.body)) return answer.body;
  if (answer.status < 400 || answer.body === undefined)
    throw fail("cell-silent", `${cell.id} answered ${answer.status} with what is not understood.`);
  await reply.code(answer.status).type(problemContentType).send(answer.body);
  return answer.body as Static<Answer>;
}
