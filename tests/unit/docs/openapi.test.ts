import assert from "node:assert/strict";
import test, { describe } from "node:test";
import Type from "typebox";
import { createLog } from "../../../common/log.ts";
import { createServer } from "../../../common/http/server.ts";
import { apis } from "../../../scripts/docs/apis.ts";
import { Components } from "../../../scripts/docs/components.ts";
import { type Api, openApiOf } from "../../../scripts/docs/openapi.ts";
import { outline } from "../../../scripts/docs/routes.ts";

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly security?: readonly Record<string, unknown>[];
  readonly parameters?: readonly unknown[];
  readonly requestBody?: unknown;
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;
}
interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, unknown>>;
    readonly securitySchemes: Readonly<Record<string, unknown>>;
  };
}

interface Call extends Operation {
  readonly method: string;
  readonly path: string;
}

async function documentOf(api: Api): Promise<Document> {
  return (await openApiOf(api, "1.2.3")) as unknown as Document;
}

function callsOf(document: Document): Call[] {
  return Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ method, path, ...operation })),
  );
}

for (const api of apis) {
  describe(`the document of ${api.name}`, async () => {
    const document = await documentOf(api);
    const calls = callsOf(document);

    test("every operation has a name of its own, a summary, who may use it, what it answers and how it refuses", () => {
      assert.equal(document.openapi, "3.1.0");
      assert.ok(calls.length > 0);
      assert.equal(new Set(calls.map(({ operationId }) => operationId)).size, calls.length);
      for (const { method, path, summary, security, responses } of calls) {
        const name = `${method} ${path}`;
        assert.ok(summary !== undefined && summary !== "", name);
        assert.ok(security !== undefined, name);
        for (const scheme of security.flatMap(Object.keys))
          assert.ok(scheme in document.components.securitySchemes, name);
        assert.ok(
          Object.keys(responses).some((status) => status.startsWith("2")),
          name,
        );
        assert.ok("application/problem+json" in (responses["default"]?.content ?? {}), name);
      }
    });

    test("every reference leads to a component, and every component is led to", () => {
      const referred = new Set(JSON.stringify(document).match(/(?<="\$ref":"#\/components\/schemas\/)[^"]+/g));
      assert.deepEqual([...referred].toSorted(), Object.keys(document.components.schemas).toSorted());
      assert.ok(!JSON.stringify(document).includes('"$id"'));
    });

    test("who comes without a credential gets as far as the document says", async () => {
      // A cell asks first for a router's assertion, whatever the route; a part's token is looked up in the registry.
      const asked = calls.filter(
        ({ security }) => api.name !== "pulse" && !(api.name === "control-plane" && isForParts(security)),
      );
      const server = await api.build();
      for (const { method, path, security, parameters, requestBody } of asked) {
        const url = path.replaceAll(/\{[^}]+\}/g, "x");
        const { statusCode } = await server.inject({ method: method.toUpperCase() as "GET", url });
        const isOpen = (security ?? []).length === 0;
        // Where the handler asks for the credential, what does not fit the schema is refused before it.
        const mayBeMalformed = parameters !== undefined || requestBody !== undefined;
        if (isOpen) assert.notEqual(statusCode, 401, `${method} ${path} is said to be open`);
        else
          assert.ok(
            statusCode === 401 || (mayBeMalformed && statusCode === 400),
            `${method} ${path} answered ${statusCode}`,
          );
      }
    });
  });
}

function isForParts(security: Operation["security"]): boolean {
  return (security ?? []).some((requirement) => "commandToken" in requirement);
}

/** An API of one route with that schema. */
function apiWith(schema: object): Api {
  return {
    name: "tea",
    title: "Tea",
    description: "Tea.",
    securitySchemes: {},
    securityOf: () => [],
    build: () => {
      const server = createServer({ log: createLog("test", "silent") });
      server.post("/v1/cups/:id", { schema }, async () => ({}));
      return server;
    },
  };
}

test("a route without a summary, or without a word of its answer, is refused by name", async () => {
  await assert.rejects(documentOf(apiWith({})), { message: "POST /v1/cups/:id of tea has no summary" });
  await assert.rejects(documentOf(apiWith({ summary: "Pour" })), {
    message: "POST /v1/cups/:id of tea does not say what it answers",
  });
});

test("an app that does I/O while it is built is caught", () => {
  const { pool } = outline<{ pool: { query(): void } }>({});
  assert.throws(() => pool.query(), { message: "pool.query was used before any request came" });
});

test("schemas with an id become components, also inner ones; a changed schema changes the document", async () => {
  const Leaf = Type.Object({ colour: Type.String() }, { $id: "Leaf" });
  const Cup = Type.Object({ leaves: Type.Array(Leaf) }, { $id: "Cup" });
  const document = await documentOf(apiWith({ summary: "Pour", body: Cup, response: { 201: Leaf } }));
  assert.deepEqual(Object.keys(document.components.schemas), ["Cup", "Leaf", "Problem"]);
  assert.ok(JSON.stringify(document.components.schemas["Cup"]).includes('"$ref":"#/components/schemas/Leaf"'));
  const Wider = Type.Object({ colour: Type.String(), age: Type.Integer() }, { $id: "Leaf" });
  const changed = await documentOf(apiWith({ summary: "Pour", body: Cup, response: { 201: Type.Null() } }));
  assert.notDeepEqual(changed, document);
  const components = new Components();
  components.take(Cup);
  assert.throws(() => components.take(Wider), { message: "two different schemas have the id Leaf" });
});
