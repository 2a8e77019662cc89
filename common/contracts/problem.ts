import Type, { type Static } from "typebox";

export const problemContentType = "application/problem+json";

/** RFC 9457 problem document; `code` is stable, programs switch on it; `todo` says what the reader can do. */
export const Problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    code: Type.String(),
    detail: Type.String(),
    todo: Type.String(),
    requestId: Type.Optional(Type.String()),
  },
  { $id: "Problem", additionalProperties: true },
);
export type Problem = Static<typeof Problem>;
