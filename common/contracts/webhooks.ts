import Type, { type Static } from "typebox";
import { patterns } from "../ids.ts";
import { OperationIdSchema, ReleaseNameSchema, TimestampSchema, oneOf } from "./ids.ts";
import { Standing } from "./rollout.ts";

// Notifications, as Standard Webhooks (https://www.standardwebhooks.com, version 1) has them: a POST with `webhook-id`, `webhook-timestamp` and
// `webhook-signature`, and a body of type, timestamp and data.

export const webhookTypes = ["rollout.state-changed", "webhook.test"] as const;
export type WebhookType = (typeof webhookTypes)[number];

/** A rollout's state has changed. Messages may arrive out of order, and more than once: `sequence` orders, `webhook-id` tells doubles. */
export const RolloutStateChanged = Type.Object(
  {
    type: Type.Literal("rollout.state-changed"),
    timestamp: TimestampSchema,
    data: Type.Object(
      {
        rollout: OperationIdSchema,
        application: Type.String(),
        release: ReleaseNameSchema,
        plan: Type.String(),
        /** Which entry of the rollout's history it is. */
        sequence: Type.Integer({ minimum: 0 }),
        wave: Type.Union([Type.Integer(), Type.Null()]),
        to: Standing,
        event: Type.String(),
        actor: Type.String(),
        reason: Type.Union([Type.String(), Type.Null()]),
      },
      { additionalProperties: false },
    ),
  },
  { $id: "RolloutStateChanged", additionalProperties: false },
);
export type RolloutStateChanged = Static<typeof RolloutStateChanged>;

export const AddWebhook = Type.Object(
  { url: Type.String({ minLength: 1, maxLength: 2_000 }), reason: Type.Optional(Type.String({ maxLength: 500 })) },
  { $id: "AddWebhook", additionalProperties: false },
);
export type AddWebhook = Static<typeof AddWebhook>;

const endpoint = {
  id: Type.String({ pattern: patterns.uuid }),
  url: Type.String(),
  createdBy: Type.String(),
  createdAt: TimestampSchema,
};
/** The secret is shown this once. */
export const AddedWebhook = Type.Object(
  { ...endpoint, secret: Type.String() },
  { $id: "AddedWebhook", additionalProperties: false },
);
export type AddedWebhook = Static<typeof AddedWebhook>;

/** `off`: its receiver said that it is gone (410), and nothing is sent any more. */
export const Webhook = Type.Object(
  {
    ...endpoint,
    state: oneOf(["on", "off"] as const),
    pending: Type.Integer({ minimum: 0 }),
    delivered: Type.Integer({ minimum: 0 }),
    /** Given up after the last try. */
    failed: Type.Integer({ minimum: 0 }),
    lastDeliveredAt: Type.Union([TimestampSchema, Type.Null()]),
    /** Of what is pending or failed, the newest. */
    lastError: Type.Union([Type.String(), Type.Null()]),
  },
  { $id: "Webhook", additionalProperties: false },
);
export type Webhook = Static<typeof Webhook>;
export const WebhookList = Type.Object(
  { webhooks: Type.Array(Webhook) },
  { $id: "WebhookList", additionalProperties: false },
);
export type WebhookList = Static<typeof WebhookList>;

export const WebhookDelivery = Type.Object(
  {
    message: Type.String(),
    type: oneOf(webhookTypes),
    createdAt: TimestampSchema,
    tries: Type.Integer({ minimum: 0 }),
    /** Null where it was delivered or given up. */
    nextAt: Type.Union([TimestampSchema, Type.Null()]),
    deliveredAt: Type.Union([TimestampSchema, Type.Null()]),
    status: Type.Union([Type.Integer(), Type.Null()]),
    error: Type.Union([Type.String(), Type.Null()]),
  },
  { $id: "WebhookDelivery", additionalProperties: false },
);
export type WebhookDelivery = Static<typeof WebhookDelivery>;
export const WebhookDeliveries = Type.Object(
  { deliveries: Type.Array(WebhookDelivery) },
  { $id: "WebhookDeliveries", additionalProperties: false },
);
export type WebhookDeliveries = Static<typeof WebhookDeliveries>;

/** What became of one message. */
export const WebhookAnswer = Type.Object(
  {
    /** Null where no answer came. */
    status: Type.Union([Type.Integer(), Type.Null()]),
    /** Null where it was taken (2xx). */
    error: Type.Union([Type.String(), Type.Null()]),
  },
  { $id: "WebhookAnswer", additionalProperties: false },
);
export type WebhookAnswer = Readonly<Static<typeof WebhookAnswer>>;
