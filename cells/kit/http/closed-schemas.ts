import type { FastifySchema } from "fastify";
import type { TSchema } from "typebox";

/** Keywords whose value is a schema, a list of schemas, or schemas by name. */
const inner = ["items", "additionalProperties", "contains"] as const;
const lists = ["items", "anyOf", "oneOf"] as const;
const maps = ["properties", "patternProperties", "$defs"] as const;

/**
 * Makes a route's input strict where it does not say otherwise: an object that lists its members has no others, and a route that declares no query
 * takes none. JSON Schema alone lets everything pass that is not named. Fields of the head stay open, since everybody adds some.
 */
export function closeInput(schema: FastifySchema): void {
  for (const part of ["body", "params"] as const) {
    if (isSchema(schema[part])) schema[part] = closed(schema[part]);
  }
  schema.querystring = isSchema(schema.querystring)
    ? closed(schema.querystring)
    : { type: "object", properties: {}, additionalProperties: false };
}

/** A copy of a schema in which every object that lists its members is closed. */
export function closed(schema: TSchema): TSchema {
  const copy = Object.defineProperties({}, Object.getOwnPropertyDescriptors(schema)) as Record<string, unknown>;
  for (const name of inner) if (isSchema(copy[name])) copy[name] = closed(copy[name]);
  for (const name of lists) if (Array.isArray(copy[name])) copy[name] = copy[name].map(closedIfSchema);
  for (const name of maps) {
    const members = copy[name];
    if (!isSchema(members)) continue;
    copy[name] = Object.fromEntries(Object.entries(members).map(([key, member]) => [key, closedIfSchema(member)]));
  }
  if ("properties" in copy && !("additionalProperties" in copy) && !("patternProperties" in copy))
    copy["additionalProperties"] = false;
  // The parts of an intersection each see the whole object: only together do they know its members.
  if (Array.isArray(copy["allOf"]) && !("unevaluatedProperties" in copy)) copy["unevaluatedProperties"] = false;
  return copy as TSchema;
}

const closedIfSchema = (value: unknown): unknown => (isSchema(value) ? closed(value) : value);

function isSchema(value: unknown): value is TSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
