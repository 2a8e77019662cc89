import { createHmac, timingSafeEqual } from "node:crypto";
import { type Server, Type } from "../kit/kit.ts";
import { pulseError } from "./errors.ts";
import { acceptEvents, wellFormed } from "./event-routes.ts";
import { readHookSecret, writeHookSecret } from "./events.store.ts";
import { Accepted, HookHeaders, HookSecret } from "./schemas.ts";

/** GitHub's own name for a user who is no longer there; stands for the sender where a payload names none. */
const nobody = "ghost";
/** GitHub lets its user choose between these. */
const hookTypes = ["application/json", "application/x-www-form-urlencoded"];

/** `PUT /v1/hooks/github/secret` and `POST /v1/hooks/github`: what GitHub sends, proven by its signature instead of an API key. */
export function githubRoutes(server: Server): void {
  server.put(
    "/v1/hooks/github/secret",
    { schema: { summary: "Sets the secret that GitHub signs with", body: HookSecret, response: { 204: Type.Null() } } },
    async (request, reply) => {
      const secret = wellFormed(request.body.secret);
      await request.tenant.db.write((tx) => writeHookSecret(tx, secret));
      return reply.code(204).send(null);
    },
  );

  server.register(async (hook) => {
    // The signature covers the bytes as they came, so that they are not parsed before it is checked.
    hook.removeAllContentTypeParsers();
    for (const type of hookTypes) {
      hook.addContentTypeParser(type, { parseAs: "buffer" }, (_request, body, done) => done(null, body));
    }
    hook.post<{ Headers: { "x-github-event": string; "x-github-delivery": string } }>(
      "/v1/hooks/github",
      {
        config: { auth: "none" },
        schema: {
          summary: "Takes a webhook of GitHub",
          consumes: hookTypes,
          headers: HookHeaders,
          response: { 202: Accepted },
        },
      },
      async (request, reply) => {
        const body: Buffer = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        const secret = await request.tenant.db.read(readHookSecret);
        if (secret === undefined) throw pulseError("hook-secret-missing", "The tenant has set no secret for GitHub.");
        if (!isSigned(body, secret, request.headers["x-hub-signature-256"]))
          throw pulseError("hook-signature-refused", "X-Hub-Signature-256 does not fit the body.");
        const payload = payloadOf(body, request.headers["content-type"] ?? "");
        const event = {
          id: wellFormed(request.headers["x-github-delivery"]),
          type: wellFormed(request.headers["x-github-event"]),
          user: wellFormed(senderOf(payload)),
          at: new Date(),
          value: null,
          properties: null,
        };
        return reply.code(202).send(await acceptEvents(request.tenant, [event]));
      },
    );
  });
}

function isSigned(body: Buffer, secret: string, header: string | string[] | undefined): boolean {
  if (typeof header !== "string" || !/^sha256=[0-9a-f]{64}$/i.test(header)) return false;
  const expected = createHmac("sha256", secret).update(body).digest();
  return timingSafeEqual(expected, Buffer.from(header.slice("sha256=".length), "hex"));
}

function payloadOf(body: Buffer, contentType: string): Record<string, unknown> {
  const text = body.toString("utf8");
  const json = contentType.startsWith("application/x-www-form-urlencoded")
    ? (new URLSearchParams(text).get("payload") ?? "")
    : text;
  try {
    const payload: unknown = JSON.parse(json);
    if (typeof payload === "object" && payload !== null && !Array.isArray(payload))
      return payload as Record<string, unknown>;
  } catch (cause) {
    throw pulseError("hook-malformed", "The payload is not JSON.", { cause });
  }
  throw pulseError("hook-malformed", "The payload is no JSON object.");
}

function senderOf(payload: Record<string, unknown>): string {
  const sender = payload["sender"];
  const login =
    typeof sender === "object" && sender !== null ? (sender as { readonly login?: unknown }).login : undefined;
  return typeof login === "string" && login !== "" ? login.slice(0, 200) : nobody;
}
