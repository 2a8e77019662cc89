import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { TypeBoxValidatorCompiler } from "@fastify/type-provider-typebox";
import type { Static, TObject } from "typebox";
import type { Assertion } from "../../common/contracts/assertion.ts";
import { internalHeaders } from "../../common/contracts/headers.ts";
import type { CellplaneError } from "../../common/errors.ts";
import type { ReleaseName } from "../../common/ids.ts";
import { createServer, sendProblem, toCellplaneError, type Server } from "../../common/http/server.ts";
import type { Activator } from "./activation.ts";
import type { AssertionVerifier } from "./assertions.ts";
import { databaseProblem, leaseRefusal } from "./database-errors.ts";
import { cellError } from "./errors.ts";
import { quietBeforeCloseMs, type ConnectionCounter } from "./connections.ts";
import type { CellState } from "./cell-state.ts";
import { closeInput } from "./http/closed-schemas.ts";
import { answerConditionally } from "./http/entity-tags.ts";
import { IdempotencyKeys } from "./idempotency/keys.ts";
import type { CellApp } from "./kit.ts";
import { refusalHeader, type CellSigner } from "./lease-word.ts";
import type { CellSamples } from "./samples.ts";
import { speakWebSocket } from "./streams/sockets.ts";
import { TenantContext, type TenantServices } from "./tenant.ts";
import { Turnstile } from "./turnstile.ts";

export interface TenantServerOptions<Settings extends TObject> {
  readonly app: CellApp<Settings>;
  readonly settings: Static<Settings>;
  readonly release: ReleaseName;
  readonly assertions: AssertionVerifier;
  /** Whether a fleet document has been accepted; before that nobody can be verified. */
  readonly trustKnown: () => boolean;
  readonly state: Pick<CellState, "phase" | "liveSlot" | "confirmed">;
  readonly signer: CellSigner;
  readonly activator: Pick<Activator, "bringWithRequest">;
  readonly services: TenantServices;
  readonly connections: ConnectionCounter;
  readonly samples: CellSamples;
  /** How long a request may take to arrive, in milliseconds. */
  readonly requestTimeoutMs: number;
}

/** The router's own head (assertion, release record, tracing) comes on top of the 16 KiB that a client may send. */
const headLimitBytes = 32_768;
/** An application's own ids may hold any letter, and a letter may take twelve bytes in an address. */
const longestParameter = 2_400;

/** The cell's tenant API, read from top to bottom as a request passes it. */
export async function createTenantServer<Settings extends TObject>(
  options: TenantServerOptions<Settings>,
): Promise<Server> {
  const { state, connections, samples, services } = options;
  const server = createServer({
    log: services.log,
    requestTimeoutMs: options.requestTimeoutMs,
    headLimitBytes,
    longestParameter,
    answerError: (error, request, reply) => answerError(error, request, reply, options.signer),
  });
  connections.watch(server.server);

  server.addHook("onRequest", async (_request, reply) => {
    connections.begin();
    // `close` also comes when the client went away before the answer, where `onResponse` may not.
    reply.raw.once("close", () => connections.end());
    reply.header(internalHeaders.release, options.release);
    if (connections.leaving) reply.header("connection", "close");
    if (state.phase === "live") return;
    reply.header(internalHeaders.slot, state.liveSlot);
    if (state.phase === "draining" && connections.quietMs > quietBeforeCloseMs) reply.header("connection", "close");
  });
  server.addHook("onResponse", async (request, reply) => {
    if (!isTenants(request)) return;
    const { synthetic, streamOpenedMs } = request.tenant;
    samples.count(synthetic, reply.statusCode, streamOpenedMs ?? reply.elapsedTime);
  });

  await speakWebSocket(server);
  server.decorateRequest("tenant");
  const turnstile = new Turnstile();
  server.addHook("onRequest", async (request, reply) => {
    if (!options.trustKnown())
      throw cellError("trust-unknown", "No fleet document has been accepted yet.", { extra: { retryAfterSeconds: 1 } });
    const { stateless } = request.routeOptions.config;
    if (stateless !== undefined) reply.header(internalHeaders.stateless, statelessWord(request, stateless));
    const assertion = await options.assertions.verify(request.headers[internalHeaders.assertion]);
    request.tenant = new TenantContext(assertion, services);
    refuseWhereNotServed(assertion, state);
    await turnstile.enter(assertion.tenant);
    await options.activator.bringWithRequest(request.headers[internalHeaders.releaseRecord], assertion.tenant);
    // An unknown address stays a 404 for everybody.
    if (
      !request.is404 &&
      (request.routeOptions.config.auth ?? "key") === "key" &&
      assertion.principal === "anonymous"
    ) {
      throw cellError("key-required", "There is no API key with this request.");
    }
  });

  const keys = new IdempotencyKeys(services);
  server.addHook("preHandler", (request, reply) => keys.begin(request, reply));
  server.addHook("onSend", async (request, reply, payload) => {
    if (!isTenants(request)) return payload;
    await keys.end(request, reply, payload);
    return answerConditionally(request, reply, payload);
  });
  server.addHook("onRoute", (route) => closeInput((route.schema ??= {})));

  await server.register(async (scope) => {
    scope.setValidatorCompiler(TypeBoxValidatorCompiler);
    await options.app.routes(scope as Server, { settings: options.settings });
  });
  return server;
}

/** How the router is told of a stateless route. */
function statelessWord(
  { method, routeOptions }: FastifyRequest,
  stateless: "random" | { readonly user: string },
): string {
  const how = stateless === "random" ? "random" : stateless.user.toLowerCase();
  return `${how} ${method} ${routeOptions.url ?? "/"}`;
}

function isTenants(request: FastifyRequest): boolean {
  return (request.tenant as TenantContext | undefined) !== undefined;
}

function refuseWhereNotServed(assertion: Assertion, state: TenantServerOptions<TObject>["state"]): void {
  if (!state.confirmed) {
    throw cellError("incarnation-unconfirmed", "The database's incarnation is not the one on file.", {
      extra: { retryAfterSeconds: 5 },
    });
  }
  if (state.phase === "standby" && !assertion.synthetic) {
    throw cellError("slot-not-live", `Slot ${state.liveSlot} is live.`, { extra: { retryAfterSeconds: 1 } });
  }
}

/** Statuses with which the router may send the request on, if nothing of it was executed. */
const replayable = new Set([421, 503]);

async function answerError(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
  signer: CellSigner,
): Promise<void> {
  const known: CellplaneError = databaseProblem(error) ?? toCellplaneError(error);
  if (known.status === 500)
    request.log.error({ event: "request-failed", requestId: request.id, code: known.code, err: error });
  else request.log.debug({ event: "request-refused", requestId: request.id, code: known.code, detail: known.message });
  if (replayable.has(known.status) && !(isTenants(request) && request.tenant.committed))
    reply.header(internalHeaders.notExecuted, known.code);
  const refusal = leaseRefusal(error);
  if (refusal !== undefined && isTenants(request))
    reply.header(...(await refusalHeader(signer, request.tenant.id, refusal)));
  sendProblem(reply, known, request.id);
  await reply;
}
