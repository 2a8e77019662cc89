import Type from "typebox";
import { CreateSession, SignInCode, Whoami } from "../../common/contracts/control-plane.ts";
import type { Server } from "../../common/http/server.ts";
import { personOf, refuseCrossSite } from "../auth/access.ts";
import { makeCode, sessionLifeMs, signIn, signOut } from "../auth/credentials.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";

/** Who acts, and how a browser comes to act: one-time code → session cookie. */
export function sessionRoutes(server: Server, context: ApiContext): void {
  const cookie = { path: "/", httpOnly: true, sameSite: "strict" } as const;

  server.route({
    method: "POST",
    url: "/v1/sign-in-codes",
    config: { access: "token-only" },
    schema: { summary: "Make a one-time sign-in code for the dashboard", response: answers(SignInCode) },
    handler: async (request) => await makeCode(context, personOf(request)),
  });

  server.route({
    method: "POST",
    url: "/v1/sessions",
    config: { access: "open" },
    schema: { summary: "Exchange a sign-in code for a session cookie", body: CreateSession, response: answers(Whoami) },
    handler: async (request, reply) => {
      // Also against being signed in by another site as somebody else.
      refuseCrossSite(request);
      const { person, secret } = await signIn(context, request.body.code);
      reply.setCookie(context.cookieName, secret, { ...cookie, maxAge: sessionLifeMs / 1000 });
      return { actor: person.name, role: person.role };
    },
  });

  server.route({
    method: "DELETE",
    url: "/v1/sessions",
    config: { access: "viewer" },
    schema: { summary: "End the session", response: answers(Type.Null()) },
    handler: async (request, reply) => {
      const secret = request.cookies[context.cookieName];
      if (secret !== undefined) await signOut(context, personOf(request), secret);
      reply.clearCookie(context.cookieName, cookie);
      return null;
    },
  });

  server.route({
    method: "GET",
    url: "/v1/whoami",
    config: { access: "viewer" },
    schema: { summary: "Who am I?", response: answers(Whoami) },
    handler: async (request) => {
      const { name, role } = personOf(request);
      return { actor: name, role };
    },
  });
}
