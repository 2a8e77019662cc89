import { STATUS_CODES } from "node:http";
import swagger from "@fastify/swagger";
import Fastify, { type FastifyInstance, type FastifySchema } from "fastify";
import { Problem, problemContentType } from "../../common/contracts/problem.ts";
import type { Server } from "../../common/http/server.ts";
import { Components, type Json, type JsonObject } from "./components.ts";
import { type DeclaredRoute, declaredRoutes } from "./routes.ts";

export type SecurityScheme =
  | { type: "http"; scheme: "bearer"; bearerFormat: string; description: string }
  | { type: "apiKey"; in: "cookie"; name: string; description: string };

/** An API to document: how its app is built without I/O, and what its routes do not say themselves. */
export interface Api {
  /** Name of the file in docs/openapi/. */
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** Where it is served; left out where only parts call it, by the address in the fleet document. */
  readonly server?: { readonly url: string; readonly description: string };
  readonly build: () => Server | Promise<Server>;
  readonly securitySchemes: Readonly<Record<string, SecurityScheme>>;
  /** Who may use a route: one of these schemes suffices; none means anybody. */
  readonly securityOf: (route: DeclaredRoute) => readonly string[];
  /** What a reader should know of the access to a route beside its scheme. */
  readonly accessNote?: (route: DeclaredRoute) => string | undefined;
}

/** What Fastify's types do not know of a schema: members that only documents use. */
interface DocumentedSchema extends FastifySchema {
  readonly summary?: string;
  readonly description?: string;
  readonly hide?: boolean;
  readonly consumes?: readonly string[];
  readonly produces?: readonly string[];
}

type Responses = Record<string, JsonObject>;
const problemId = (Problem as { $id?: string }).$id;
const problemNote = "Refused or failed: a problem document (RFC 9457) whose `code` is explained in docs/errors.md.";

/**
 * The OpenAPI 3.1 document of an API, from the schemas that its routes check requests by.
 * @throws when a route says not enough: no summary, or nothing about its answer.
 */
export async function openApiOf(api: Api, version: string): Promise<JsonObject> {
  const routes = (await declaredRoutes(api.build)).filter(({ schema }) => (schema as DocumentedSchema).hide !== true);
  const components = new Components();
  components.take(Problem);
  const documented = routes.map((route) => ({ ...route, schema: documentedSchema(api, route, components) }));
  const server = await documentServer(api, version, components);
  for (const { method, url, schema } of documented) {
    server.route({ method, url, schema, exposeHeadRoute: false, handler: () => undefined });
  }
  await server.ready();
  return inOrder(server.swagger() as unknown as JsonObject, documented);
}

async function documentServer(api: Api, version: string, components: Components): Promise<FastifyInstance> {
  const server = Fastify();
  // Nothing is ever asked of this server.
  server.setValidatorCompiler(() => () => true);
  server.setSerializerCompiler(() => JSON.stringify);
  await server.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: api.title,
        description: api.description,
        version,
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
      ...(api.server === undefined ? {} : { servers: [api.server] }),
      components: { securitySchemes: { ...api.securitySchemes } },
    },
    exposeHeadRoutes: true,
    refResolver: { buildLocalReference: (json) => (typeof json.$id === "string" ? json.$id : "unnamed") },
  });
  for (const [id, schema] of components.schemas) server.addSchema({ $id: id, ...schema });
  return server;
}

function documentedSchema(api: Api, route: DeclaredRoute, components: Components): FastifySchema {
  const schema = route.schema as DocumentedSchema;
  const name = `${route.method} ${route.url} of ${api.name}`;
  if (schema.summary === undefined) throw new Error(`${name} has no summary`);
  const notes = [schema.description, api.accessNote?.(route)].filter((note) => note !== undefined);
  const parameters = (["querystring", "params", "headers"] as const).flatMap((part) =>
    schema[part] === undefined ? [] : [[part, components.takeInside(schema[part])] as const],
  );
  return {
    operationId: operationId(route),
    summary: schema.summary,
    ...(notes.length === 0 ? {} : { description: notes.join(" ") }),
    security: api.securityOf(route).map((scheme) => ({ [scheme]: [] })),
    ...Object.fromEntries(parameters),
    ...bodyOf(schema, components),
    response: responsesOf(name, schema, components),
  } as FastifySchema;
}

function bodyOf({ body, consumes }: DocumentedSchema, components: Components): object {
  if (body !== undefined) return { body: components.take(body), ...(consumes === undefined ? {} : { consumes }) };
  if (consumes === undefined) return {};
  // Bytes as they are: a media type without a schema. In 3.1 an empty schema says so; swagger wants some schema to be there.
  return { body: { description: "The bytes as they are." }, consumes };
}

/** Every answer that the route declares, and `default`: a problem document. Whatever our servers refuse, they refuse so. */
function responsesOf(name: string, schema: DocumentedSchema, components: Components): Responses {
  const responses: Responses = {};
  const declared = Object.entries((schema.response ?? {}) as Record<string, unknown>);
  for (const [status, answer] of declared) {
    if (/^[45]xx$|^default$/i.test(status)) continue;
    const description = STATUS_CODES[status] ?? status;
    const isProblem = (answer as { $id?: string }).$id === problemId;
    if (isProblem) responses[status] = contentOf(description, problemContentType, components.take(answer));
    else if ((answer as { type?: string }).type === "null") responses[status] = { type: "null", description };
    else
      responses[status] = contentOf(description, schema.produces?.[0] ?? "application/json", components.take(answer));
  }
  const isSuccess = Object.keys(responses).some((status) => status.startsWith("2"));
  const [produced] = schema.produces ?? [];
  if (!isSuccess && produced === undefined) throw new Error(`${name} does not say what it answers`);
  if (!isSuccess && produced !== undefined) responses["200"] = contentOf("OK", produced, { type: "string" });
  responses["default"] = contentOf(problemNote, problemContentType, components.take(Problem));
  return responses;
}

function contentOf(description: string, type: string, schema: Json): JsonObject {
  return { description, content: { [type]: { schema } } };
}

/** `GET /v1/tenants/:slug` → `getTenantsBySlug`. */
function operationId({ method, url }: DeclaredRoute): string {
  const words = url
    .split("/")
    .filter((part) => part !== "" && part !== "v1")
    .flatMap((part) => (part.startsWith(":") ? ["by", part.slice(1)] : part.split(/[^A-Za-z0-9]+/)));
  return method.toLowerCase() + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}

/** Paths and components by name, so that adding one moves no other; all else stays in the order of its declaration. */
function inOrder(document: JsonObject, routes: readonly { readonly url: string }[]): JsonObject {
  const { paths, components, ...rest } = document as {
    paths: JsonObject;
    components: { schemas: JsonObject; securitySchemes: JsonObject };
  };
  if (Object.keys(paths).length !== new Set(routes.map(({ url }) => url)).size)
    throw new Error("a route is missing from its document");
  return {
    ...rest,
    paths: byName(paths),
    components: { securitySchemes: components.securitySchemes, schemas: byName(components.schemas) },
  } as JsonObject;
}

function byName(members: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(members).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
