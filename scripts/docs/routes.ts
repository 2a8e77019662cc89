import { channel } from "node:diagnostics_channel";
import type { FastifyInstance, FastifySchema, RouteOptions } from "fastify";
import type { Server } from "../../common/http/server.ts";

/** A route as its part declared it. */
export interface DeclaredRoute {
  readonly method: string;
  readonly url: string;
  readonly schema: FastifySchema;
  readonly config: RouteOptions["config"];
}

/**
 * Builds an app and notes its routes, in the order of their declaration. Fastify tells of every new server on a diagnostics channel,
 * before any route is added; so the parts need no word of being documented.
 */
export async function declaredRoutes(build: () => Server | Promise<Server>): Promise<readonly DeclaredRoute[]> {
  const routesOf = new Map<unknown, DeclaredRoute[]>();
  const note = (message: unknown): void => {
    const { fastify } = message as { readonly fastify: FastifyInstance };
    const routes: DeclaredRoute[] = [];
    routesOf.set(fastify, routes);
    fastify.addHook("onRoute", ({ method, url, schema, config }) => {
      for (const name of [method].flat()) routes.push({ method: name, url, schema: schema ?? {}, config });
    });
  };
  const created = channel("fastify.initialization");
  created.subscribe(note);
  try {
    const server = await build();
    await server.ready();
    const routes = routesOf.get(server) ?? [];
    return routes.filter((route) => !isImpliedHead(route, routes));
  } finally {
    created.unsubscribe(note);
  }
}

/** Fastify answers HEAD wherever it answers GET; only a HEAD of its own is worth a word. */
function isImpliedHead(route: DeclaredRoute, all: readonly DeclaredRoute[]): boolean {
  if (route.method !== "HEAD") return false;
  const get = all.find(({ method, url }) => method === "GET" && url === route.url);
  return get !== undefined && get.schema === route.schema;
}

/**
 * Stands for what a part works with. What is given is there; all else may be handed on while the app is built, but whoever uses
 * it does I/O too early and is named.
 */
export function outline<Dependencies extends object>(given: Partial<Dependencies>): Dependencies {
  return new Proxy(given, {
    get: (target, member) => (Reflect.has(target, member) ? Reflect.get(target, member) : untouched(String(member))),
  }) as Dependencies;
}

function untouched(name: string): object {
  return new Proxy(() => undefined, {
    get(_target, member) {
      throw new Error(`${name}.${String(member)} was used before any request came`);
    },
    apply() {
      throw new Error(`${name}() was called before any request came`);
    },
  });
}
