import { canonicalJson } from "../../common/canonical.ts";

export type Json = null | boolean | number | string | Json[] | { [member: string]: Json };
export type JsonObject = { [member: string]: Json };

/** Schemas with an `$id`, by that id: what the documents show as components. */
export class Components {
  readonly #schemas = new Map<string, JsonObject>();

  /** @returns the schema with each inner schema that has an `$id` replaced by a reference to its component. */
  take(schema: unknown): Json {
    return this.#visit(plain(schema));
  }

  /** The same, but for the outermost schema, which stays in place: parameters are read from its properties. */
  takeInside(schema: unknown): JsonObject {
    const { $id: _id, ...members } = plain(schema) as JsonObject;
    return this.#members(members);
  }

  get schemas(): ReadonlyMap<string, JsonObject> {
    return this.#schemas;
  }

  #visit(value: Json): Json {
    if (Array.isArray(value)) return value.map((item) => this.#visit(item));
    if (value === null || typeof value !== "object") return value;
    const { $id: id, ...members } = value;
    if (typeof id !== "string") return this.#members(value);
    this.#add(id, this.#members(members));
    return { $ref: `${id}#` };
  }

  #members(value: JsonObject): JsonObject {
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, this.#visit(member)]));
  }

  /** @throws when two different schemas bear one id: a reader of the document could see one of them only. */
  #add(id: string, schema: JsonObject): void {
    const known = this.#schemas.get(id);
    if (known !== undefined && canonicalJson(known) !== canonicalJson(schema)) {
      throw new Error(`two different schemas have the id ${id}`);
    }
    this.#schemas.set(id, schema);
  }
}

/** A schema without what is no JSON: TypeBox keeps notes of its own in members that are not enumerable. */
function plain(schema: unknown): Json {
  return JSON.parse(JSON.stringify(schema)) as Json;
}
