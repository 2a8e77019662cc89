import Type, { type Static } from "typebox";
import { roles } from "./control-plane.ts";
import { TimestampSchema, oneOf } from "./ids.ts";

// The control plane's API about the people who operate it.

/** What an operator is called in the audit, in approvals and in whatever he did: a short name or an address. */
export const OperatorNameSchema = Type.String({ pattern: "^[a-z0-9][a-z0-9._@+-]{0,63}$" });

/** `POST /v1/operators`. */
export const CreateOperator = Type.Object(
  { name: OperatorNameSchema, role: oneOf(roles) },
  { $id: "CreateOperator", additionalProperties: false },
);
export type CreateOperator = Static<typeof CreateOperator>;

/** The only answer with the token; the registry keeps its digest. */
export const CreatedOperator = Type.Object(
  { name: OperatorNameSchema, role: oneOf(roles), token: Type.String() },
  { $id: "CreatedOperator", additionalProperties: false },
);
export type CreatedOperator = Static<typeof CreatedOperator>;

/** `GET /v1/operators`: those whose tokens work. */
export const OperatorList = Type.Object(
  {
    operators: Type.Array(
      Type.Object({ name: Type.String(), role: oneOf(roles), since: TimestampSchema }, { additionalProperties: false }),
    ),
  },
  { $id: "OperatorList", additionalProperties: false },
);
export type OperatorList = Static<typeof OperatorList>;
