import { randomUUID } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "../../../common/log.ts";
import { cellError } from "../errors.ts";
import type { TenantDatabase } from "../tenant.store.ts";
import { HeldKey } from "./held-key.ts";
import { letGoOfKey, storeAnswer, takeKey, type KeyClaim, type KeyState, type StoredAnswer } from "./keys.store.ts";
import { fingerprintOf, idempotencyKeyHeader, keyIn } from "./request.ts";

/**
 * What a route does with `Idempotency-Key`: takes it where a client sends it, demands it, or does not look at it. Safe methods never look.
 */
export type IdempotencyPolicy = "accepted" | "required" | "off";

/** Set on an answer that was stored. */
const replayedHeader = "idempotency-replayed";
/** A larger answer is not kept; whoever repeats the request is told so. */
const largestBodyBytes = 65_536;
/** Fields of an answer that a repetition needs too; all others speak of one exchange. */
const keptHeaders = ["content-type", "content-language", "content-location", "etag", "location", "link"] as const;

const unsafe = new Set(["POST", "PUT", "PATCH", "DELETE"]);
/** Answers after which trying again is meant to work. */
const transient = new Set([408, 421, 425, 429]);

interface Options {
  readonly database: TenantDatabase;
  readonly log: Logger;
}

/**
 * Idempotency keys (decision 0013). A request takes its key before the handler runs, in a transaction of its own; each of the handler's write
 * transactions commits its result with its effects; the answer is stored before it is sent. So a repetition gets the answer, or goes on where the
 * first try was cut off, or waits its turn; it never does anything twice.
 */
export class IdempotencyKeys {
  readonly #options: Options;
  /** Name of this life of the process. */
  readonly #process = randomUUID();
  /** Requests at work in this process: who bears the process's name and is not here is not at work. */
  readonly #atWork = new Set<string>();
  readonly #held = new WeakMap<FastifyRequest, HeldKey>();

  constructor(options: Options) {
    this.#options = options;
  }

  /**
   * Before the handler: takes the key, or answers at once. Does nothing for requests without one.
   * @throws idempotency-key-malformed, -required, -unsupported, -reused, -in-progress, idempotency-answer-lost, and what the fence refuses
   */
  async begin(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const policy = policyOf(request);
    if (policy === "off") return;
    const value = request.headers[idempotencyKeyHeader];
    if (value === undefined) {
      if (policy === "accepted") return;
      throw cellError("idempotency-key-required", "There is no Idempotency-Key with this request.");
    }
    const holder = `${this.#process}/${randomUUID()}`;
    const claim = { key: keyIn(value), fingerprint: fingerprintOf(request), holder };
    this.#atWork.add(holder);
    try {
      const state = await this.#take(request, claim);
      if (state.kind === "ours") return this.#hold(request, new HeldKey(claim.key, holder, state.steps));
      if (state.kind !== "answered") throw refusalOf(state);
      this.#atWork.delete(holder);
      await replay(reply, state.answer);
    } catch (error) {
      this.#atWork.delete(holder);
      throw error;
    }
  }

  /** Before the answer is sent: keeps it, or lets go of the key. An answer that cannot be kept is sent all the same. */
  async end(request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<void> {
    const held = this.#held.get(request);
    if (held === undefined) return;
    this.#held.delete(request);
    const { tenant } = request;
    const { key, holder } = held;
    try {
      await this.#options.database.run({ tenant: tenant.id, epoch: tenant.epoch }, "write", async (tx) => {
        if (!isFinal(reply.statusCode, tenant.committed)) return letGoOfKey(tx, key, holder);
        if (!(await storeAnswer(tx, key, holder, answerOf(reply, payload))))
          tenant.log.warn({ event: "idempotency-key-lost", requestId: request.id });
      });
    } catch (error) {
      // What was done is known by its steps, so that a repetition finds the way to the same answer.
      tenant.log.warn({ event: "idempotency-answer-not-kept", requestId: request.id, err: error });
    } finally {
      this.#atWork.delete(holder);
    }
  }

  #hold(request: FastifyRequest, held: HeldKey): void {
    this.#held.set(request, held);
    request.tenant.workUnder(held);
  }

  async #take(request: FastifyRequest, claim: KeyClaim): Promise<KeyState> {
    const { id, epoch } = request.tenant;
    return this.#options.database.run({ tenant: id, epoch }, "write", async (tx) => {
      const state = await takeKey(tx, claim, null);
      return state.kind === "in-progress" && this.#isLost(state.holder) ? takeKey(tx, claim, state.holder) : state;
    });
  }

  #isLost(holder: string): boolean {
    return holder.startsWith(`${this.#process}/`) && !this.#atWork.has(holder);
  }
}

function policyOf(request: FastifyRequest): IdempotencyPolicy {
  if (request.is404 || !unsafe.has(request.method)) return "off";
  const { auth, idempotency } = request.routeOptions.config;
  // Keys are the tenant's own; a stranger may neither block nor read them.
  return idempotency ?? (auth === "none" ? "off" : "accepted");
}

function refusalOf(state: Exclude<KeyState, { kind: "ours" | "answered" }>): Error {
  switch (state.kind) {
    case "other-request":
      return cellError("idempotency-key-reused", "The key was used before with another method, address or body.");
    case "in-progress":
      return cellError("idempotency-key-in-progress", "A request with this key is being carried out.", {
        extra: { retryAfterSeconds: 1 },
      });
    case "answer-lost":
      return cellError("idempotency-answer-lost", "It was carried out before; its answer was too large to be kept.");
    default:
      return state satisfies never;
  }
}

/** Whether an answer is the last word on its request. What failed before anything was done leaves the key free for a corrected request. */
function isFinal(status: number, committed: boolean): boolean {
  if (status < 400) return true;
  return status < 500 && committed && !transient.has(status);
}

function answerOf(reply: FastifyReply, payload: unknown): Parameters<typeof storeAnswer>[3] {
  const headers: Record<string, string> = {};
  for (const name of keptHeaders) {
    const value = reply.getHeader(name);
    if (typeof value === "string") headers[name] = value;
  }
  return { status: reply.statusCode, headers, body: bodyOf(payload) };
}

/** Null where it is empty, undefined where it cannot be kept: too large, or a stream. */
function bodyOf(payload: unknown): Buffer | null | undefined {
  if (payload === undefined || payload === null || payload === "") return null;
  if (typeof payload !== "string" && !Buffer.isBuffer(payload)) return undefined;
  const body = Buffer.from(payload as string);
  return body.length > largestBodyBytes ? undefined : body;
}

async function replay(reply: FastifyReply, answer: StoredAnswer): Promise<void> {
  reply.code(answer.status).headers(answer.headers).header(replayedHeader, "true");
  await reply.send(answer.body ?? undefined);
}
