import Type from "typebox";
import {
  AddedWebhook,
  AddWebhook,
  WebhookAnswer,
  WebhookDeliveries,
  WebhookList,
} from "../../common/contracts/webhooks.ts";
import type { Server } from "../../common/http/server.ts";
import { patterns } from "../../common/ids.ts";
import { personOf } from "../auth/access.ts";
import { addWebhook, knownWebhook, removeWebhook, testWebhook } from "../webhooks/endpoints.ts";
import { listDeliveries, listEndpoints } from "../webhooks/webhooks.store.ts";
import { answers, created } from "./answers.ts";
import type { ApiContext } from "./context.ts";

const deliveryLimit = 50;
const byId = Type.Object({ id: Type.String({ pattern: patterns.uuid }) }, { additionalProperties: false });
const Nothing = Type.Object({}, { additionalProperties: false });

/** Who is told of what rollouts do. An address may hold a receiver's secret, so that viewers do not see them. */
export function webhookRoutes(server: Server, context: ApiContext): void {
  const { pool } = context;

  server.route({
    method: "GET",
    url: "/v1/webhooks",
    config: { access: "operator" },
    schema: { summary: "List webhooks, and what became of their messages", response: answers(WebhookList) },
    handler: async () => ({ webhooks: await listEndpoints(pool) }),
  });

  server.route({
    method: "POST",
    url: "/v1/webhooks",
    config: { access: "operator" },
    schema: {
      summary: "Have every change of a rollout's state told to an address, signed; the secret is shown this once",
      body: AddWebhook,
      response: created(AddedWebhook),
    },
    handler: async (request, reply) => {
      const added = await addWebhook(context, personOf(request).name, request.body, context.cellAddresses);
      return reply.code(201).send(added);
    },
  });

  server.route({
    method: "DELETE",
    url: "/v1/webhooks/:id",
    config: { access: "operator" },
    schema: { summary: "Remove a webhook, with what waits for it", params: byId, response: answers(Nothing) },
    handler: async (request) => {
      await removeWebhook(context, personOf(request).name, request.params.id);
      return {};
    },
  });

  server.route({
    method: "POST",
    url: "/v1/webhooks/:id/test",
    config: { access: "operator" },
    schema: {
      summary: "Send one message at once, and say what the receiver answered",
      params: byId,
      body: Nothing,
      response: answers(WebhookAnswer),
    },
    handler: async ({ params }) => await testWebhook(context, context.webhooks, params.id),
  });

  server.route({
    method: "GET",
    url: "/v1/webhooks/:id/deliveries",
    config: { access: "operator" },
    schema: { summary: "List the latest messages to a webhook", params: byId, response: answers(WebhookDeliveries) },
    handler: async ({ params }) => {
      await knownWebhook(pool, params.id);
      return { deliveries: await listDeliveries(pool, params.id, deliveryLimit) };
    },
  });
}
