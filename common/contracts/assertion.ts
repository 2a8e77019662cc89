import Type, { type Static } from "typebox";
import { CellIdSchema, EpochSchema, PartIdSchema, TenantIdSchema } from "./ids.ts";

/** Longest life of an assertion, in seconds. A router signs one per (tenant, principal) and reuses it until near its end. */
export const assertionLifeSeconds = 60;

/**
 * A router's word to a cell, JWS type `cp-assertion`: this request is of that tenant, whom I take you to own at that epoch.
 * `principal` is the id of the API key, or `anonymous`.
 */
export const Assertion = Type.Object(
  {
    iss: PartIdSchema,
    aud: CellIdSchema,
    tenant: TenantIdSchema,
    epoch: EpochSchema,
    principal: Type.String({ minLength: 1, maxLength: 64 }),
    /** Synthetic tenants are served by slots that are not live, and stay out of totals. */
    synthetic: Type.Boolean(),
    iat: Type.Integer(),
    exp: Type.Integer(),
  },
  { $id: "Assertion", additionalProperties: false },
);
export type Assertion = Static<typeof Assertion>;

/**
 * A command token, JWS type `cp-command`: the bearer acts for a part of the control plane on another part's admin API.
 * `aud` is the audience's part id (a cell's id for its admin API, `router-1`, `aggregator`, `control-plane`).
 */
export const CommandToken = Type.Object(
  {
    iss: PartIdSchema,
    aud: Type.String({ minLength: 1 }),
    /** Who caused it, for the audit: an operator's name or a part. */
    actor: Type.Optional(Type.String()),
    iat: Type.Integer(),
    exp: Type.Integer(),
  },
  { $id: "CommandToken", additionalProperties: false },
);
export type CommandToken = Static<typeof CommandToken>;
export const commandLifeSeconds = 60;
