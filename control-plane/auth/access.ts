import type { FastifyReply, FastifyRequest } from "fastify";
import { roles, type Role } from "../../common/contracts/control-plane.ts";
import type { Clock } from "../../common/clock.ts";
import { httpError } from "../../common/http/errors.ts";
import type { Server } from "../../common/http/server.ts";
import type { Pool } from "../../common/postgres/pool.ts";
import { fail } from "../errors.ts";
import { change } from "../registry/change.ts";
import { personOfSession, personOfToken } from "./credentials.ts";
import type { Person } from "./credentials.store.ts";
import { isCrossSite } from "./cross-site.ts";
import type { PartKeys } from "./part-keys.ts";

/**
 * Who may use a route.
 *   open            anybody
 *   part            a registered part, with a command token for the control plane
 *   viewer … admin  a person of that role or a higher one
 *   token-only      a person with an operator token; a session is not enough
 */
export type Access = "open" | "part" | "token-only" | Role;

declare module "fastify" {
  interface FastifyContextConfig {
    access?: Access;
  }
  interface FastifyRequest {
    /** Who acts, on routes that want a role. */
    person: Person | null;
  }
}

export interface AccessOptions {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly partKeys: PartKeys;
  /** Name of the session's cookie: each fleet has its own, because browsers share cookies over the ports of a host. */
  readonly cookieName: string;
}

const bearer = /^Bearer ([A-Za-z0-9._~+/=-]{1,4096})$/;

/** Guards every route of the server: a route that does not say who may use it is a mistake, found at boot. */
export function guardRoutes(server: Server, options: AccessOptions): void {
  server.decorateRequest("person", null);
  server.addHook("onRoute", (route) => {
    if (route.config?.access === undefined)
      throw new Error(`${String(route.method)} ${route.url} does not say who may use it`);
  });
  server.addHook("onRequest", async (request: FastifyRequest, _reply: FastifyReply) => {
    const access = request.routeOptions.config.access;
    if (access === undefined || access === "open") return;
    if (access === "part") return await options.partKeys.check(bearerOf(request) ?? "");
    const { person, isSession } = await whoIs(request, options);
    const needed = access === "token-only" ? "viewer" : access;
    const isEnough = roles.indexOf(person.role) >= roles.indexOf(needed) && !(access === "token-only" && isSession);
    if (!isEnough) await refuse(request, options, person, access);
    request.person = person;
  });
}

/** The person of a guarded route. */
export function personOf(request: FastifyRequest): Person {
  if (request.person === null) throw new Error("the route is not guarded by a role");
  return request.person;
}

async function whoIs(request: FastifyRequest, options: AccessOptions): Promise<{ person: Person; isSession: boolean }> {
  const token = bearerOf(request);
  if (token !== undefined) {
    const person = token.startsWith("cpo_") ? await personOfToken(options.pool, token) : null;
    if (person === null) throw fail("credential-refused", "The bearer token is no operator's.");
    return { person, isSession: false };
  }
  const secret = request.cookies[options.cookieName];
  if (secret === undefined)
    throw httpError("unauthenticated", "Neither an operator token nor a session came with the request.");
  refuseCrossSite(request);
  const person = await personOfSession(options, secret);
  if (person === null) throw fail("credential-refused", "The session has ended.");
  return { person, isSession: true };
}

/** @throws cross-site */
export function refuseCrossSite(request: FastifyRequest): void {
  const custom = request.headers["x-cellplane-request"];
  const { host, origin } = request.headers;
  const provenance = {
    method: request.method,
    host,
    origin,
    customHeader: typeof custom === "string" ? custom : undefined,
  };
  if (isCrossSite(provenance)) throw fail("cross-site", "The request does not come from the dashboard's own pages.");
}

/** A refused call of somebody we know stands in the audit; a stranger's does not, or anybody could fill it. */
async function refuse(request: FastifyRequest, options: AccessOptions, person: Person, access: Access): Promise<never> {
  const target = request.url.split("?", 1)[0] ?? "/";
  await change(options, { actor: person.name }, async (step) => {
    step.audit(`${request.method} ${request.routeOptions.url ?? target}`, target.slice(0, 200), {
      refused: true,
      reason: `${person.role} is not ${access}`,
    });
  });
  throw fail(
    "role-too-low",
    `This needs ${access === "token-only" ? "an operator token" : `the role ${access}`}; ${person.name} is ${person.role}.`,
  );
}

function bearerOf(request: FastifyRequest): string | undefined {
  const header = request.headers.authorization;
  if (header === undefined) return undefined;
  const token = bearer.exec(header)?.[1];
  if (token === undefined) throw fail("credential-refused", "The authorization header is no bearer token.");
  return token;
}
