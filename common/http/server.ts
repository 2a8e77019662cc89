import { randomUUID } from "node:crypto";
import type { IncomingMessage, Server as HttpServer, ServerResponse } from "node:http";
import Fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyRegister,
  type FastifyReply,
  type FastifyRequest,
} from "fastify";
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from "@fastify/type-provider-typebox";
import { CellplaneError, toProblem } from "../errors.ts";
import { requestIdHeader } from "../contracts/headers.ts";
import { problemContentType } from "../contracts/problem.ts";
import type { Logger } from "../log.ts";
import { answerClientError, answerExpectation } from "./client-error.ts";
import { httpError } from "./errors.ts";
import { readJsonStrictly } from "./json-body.ts";

type TypedServer = FastifyInstance<HttpServer, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxTypeProvider>;
/** Fastify's own `register` forgets the type provider, so that requests in a plugin would have no types; this one keeps it. */
type TypedRegister = FastifyRegister<
  TypedServer & PromiseLike<undefined>,
  HttpServer,
  TypeBoxTypeProvider,
  FastifyBaseLogger
>;
export type Server = { readonly register: TypedRegister } & TypedServer;

export interface ServerOptions {
  readonly log: Logger;
  /** Largest body in bytes; default 1 MiB. */
  readonly bodyLimitBytes?: number;
  /**
   * How long a whole request may take to arrive, in milliseconds; default 25 s, so that even one that is noticed late is cut off within 30 s. Fastify
   * alone never times a body out.
   */
  readonly requestTimeoutMs?: number;
  /** Largest head in bytes; default 16 KiB. */
  readonly headLimitBytes?: number;
  /** Longest parameter in an address, as it is sent; default 200. */
  readonly longestParameter?: number;
  /** Answers an error instead of the server's own way, which says what `toCellplaneError` makes of it. */
  readonly answerError?: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => void | Promise<void>;
}

// Node looks for late requests only so often, by default every 30 s; a late one is cut off at most this much after its time.
const longestLatenessMs = 5_000;

const requestId = /^[A-Za-z0-9._-]{1,64}$/;

/**
 * A Fastify server as all parts use it: schemas by TypeBox, checked strictly (nothing coerced, nothing stripped), every error a
 * problem document (RFC 9457), 405 with Allow, prototype poisoning refused, slow requests timed out.
 */
export function createServer(options: ServerOptions): Server {
  const requestTimeoutMs = options.requestTimeoutMs ?? 25_000;
  const server = Fastify({
    // Node swaps the two time-outs where the head's (60 s by default) is the longer one: the body would then have the 60 s.
    http: {
      headersTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.min(longestLatenessMs, requestTimeoutMs),
      maxHeaderSize: options.headLimitBytes ?? 16_384,
    },
    loggerInstance: options.log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: options.bodyLimitBytes ?? 1_048_576,
    requestTimeout: requestTimeoutMs,
    connectionTimeout: 0,
    keepAliveTimeout: 75_000,
    onProtoPoisoning: "error",
    onConstructorPoisoning: "error",
    forceCloseConnections: "idle",
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: false, maxParamLength: options.longestParameter ?? 200 },
    genReqId: (request) => {
      const given = request.headers[requestIdHeader];
      return typeof given === "string" && requestId.test(given) ? given : randomUUID();
    },
    clientErrorHandler: (error, socket) => {
      const answered = answerClientError(error, socket);
      if (answered !== undefined) options.log.debug({ event: "request-refused", code: answered.code, err: error });
    },
    // Errors from before the routing, where no hook has run yet.
    frameworkErrors: (error, request, reply) => {
      reply.header(requestIdHeader, request.id);
      refuse(error, request as FastifyRequest, reply as FastifyReply);
    },
  }).withTypeProvider<TypeBoxTypeProvider>();
  server.setValidatorCompiler(TypeBoxValidatorCompiler);
  // Fastify takes plain text too; here only JSON is understood, where a route does not say otherwise.
  server.removeContentTypeParser("text/plain");
  server.server.on("checkExpectation", answerExpectation);
  readJsonStrictly(server);
  server.addHook("onRequest", async (request, reply) => {
    reply.header(requestIdHeader, request.id);
  });
  const routes = rememberRoutes(server);
  const answerError = options.answerError ?? refuse;
  server.setErrorHandler((error: FastifyError, request, reply) => {
    // Fastify reads the body first, also where nothing wants it; the address is what is wrong then.
    if (!request.is404 || error instanceof CellplaneError) return answerError(error, request, reply);
    answerUnknown(routes, request, reply);
  });
  server.setNotFoundHandler((request, reply) => answerUnknown(routes, request, reply));
  return server as Server;
}

const fastifyCodes: Readonly<Record<string, Parameters<typeof httpError>[0]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: "body-too-large",
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "unsupported-media-type",
  FST_ERR_CTP_EMPTY_JSON_BODY: "malformed-json",
  FST_ERR_CTP_INVALID_JSON_BODY: "malformed-json",
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: "invalid-request",
  FST_ERR_VALIDATION: "invalid-request",
  FST_ERR_BAD_URL: "invalid-request",
  FST_ERR_MAX_PARAM_LENGTH: "address-too-long",
  ERR_HTTP_REQUEST_TIMEOUT: "slow-request",
};

/** Brings any error into our own shape; what nobody foresaw becomes `internal-error` without its text. */
export function toCellplaneError(
  error: Error & { code?: string; statusCode?: number; validation?: unknown },
): CellplaneError {
  if (error instanceof CellplaneError) return error;
  const known = error.validation === undefined ? fastifyCodes[error.code ?? ""] : "invalid-request";
  if (known !== undefined) return httpError(known, error.message, { cause: error });
  if (error instanceof SyntaxError && error.statusCode === 400)
    return httpError("malformed-json", error.message, { cause: error });
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return httpError("invalid-request", error.message, { cause: error });
  }
  return httpError("internal-error", "An unforeseen error; it is in the log under the request id.", { cause: error });
}

function refuse(error: Error, request: FastifyRequest, reply: FastifyReply): void {
  const known = toCellplaneError(error);
  if (known.status >= 500)
    request.log.error({ event: "request-failed", requestId: request.id, code: known.code, err: error });
  else request.log.debug({ event: "request-refused", requestId: request.id, code: known.code, detail: known.message });
  sendProblem(reply, known, request.id);
}

/** Writes an error as a problem document, with Retry-After where the error carries `retryAfterSeconds`. */
export function sendProblem(reply: FastifyReply, error: CellplaneError, id: string): void {
  const retryAfter = error.extra["retryAfterSeconds"];
  if (typeof retryAfter === "number") reply.header("retry-after", String(Math.max(1, Math.ceil(retryAfter))));
  else if (error.status === 503) reply.header("retry-after", "1");
  void reply.code(error.status).type(problemContentType).serializer(JSON.stringify).send(toProblem(error, id));
}

interface KnownRoute {
  readonly method: string;
  readonly shape: RegExp;
}
const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

/** 404 for an unknown address; where the address is known with other methods, 405 with Allow, or for OPTIONS just Allow. */
function answerUnknown(routes: readonly KnownRoute[], request: FastifyRequest, reply: FastifyReply): void {
  const path = request.url.split("?", 1)[0] ?? "/";
  const allowed = methods.filter((method) => routes.some((route) => route.method === method && route.shape.test(path)));
  if (allowed.length === 0)
    return sendProblem(reply, httpError("not-found", `Nothing answers at ${path.slice(0, 200)}.`), request.id);
  reply.header("allow", [...allowed, ...(allowed.includes("OPTIONS") ? [] : ["OPTIONS"])].join(", "));
  if (request.method === "OPTIONS") return void reply.code(204).send();
  sendProblem(
    reply,
    httpError("method-not-allowed", `${request.method} is not known at ${path.slice(0, 200)}.`),
    request.id,
  );
}

/** Remembers every route as a pattern for the 405 answers; Fastify's own look-up (`findRoute`) compares patterns only. */
function rememberRoutes(server: FastifyInstance): readonly KnownRoute[] {
  const known: KnownRoute[] = [];
  server.addHook("onRoute", (route) => {
    const escaped = route.url
      .replace(/[.+?^${}()|[\]\\]/g, "\\$&")
      .replace(/:[A-Za-z0-9_]+/g, "[^/]+")
      .replace(/\*/g, ".*");
    const shape = new RegExp(`^${escaped}$`);
    for (const method of [route.method].flat()) known.push({ method, shape });
  });
  return known;
}
