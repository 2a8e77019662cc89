import type { Problem } from "../../common/contracts/problem.ts";

/** The control plane said no, or said nothing. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.status = status;
    this.code = code;
  }
}

/** How long one call may take, in milliseconds; creating a tenant waits up to 30 s for its cell. */
const timeoutMs = 40_000;

/** The control plane's API, as `npm start` uses it: with the operator's token. */
export class ControlPlaneApi {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  /** @throws ApiError */
  async call<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const json = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await this.#fetch(path, {
      method,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      ...json,
    });
    const text = await response.text();
    return (text === "" ? undefined : JSON.parse(text)) as Answer;
  }

  /** Whether something is there. */
  async has(path: string): Promise<boolean> {
    try {
      await (await this.#fetch(path, { method: "HEAD" })).body?.cancel();
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return false;
      throw error;
    }
  }

  /** Sends bytes as they are. */
  async upload(path: string, body: ReadableStream<Uint8Array>, bytes: number): Promise<void> {
    const headers = { "content-type": "application/octet-stream", "content-length": String(bytes) };
    const response = await this.#fetch(path, { method: "PUT", headers, body, duplex: "half" } as RequestInit);
    await response.body?.cancel();
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const headers = { ...(init.headers as Record<string, string>), authorization: `Bearer ${this.#token}` };
    const response = await fetch(new URL(path, this.#url), {
      ...init,
      headers,
      signal: AbortSignal.timeout(timeoutMs),
      redirect: "error",
    });
    if (response.ok) return response;
    const text = await response.text();
    const problem = readProblem(text);
    throw new ApiError(
      response.status,
      problem?.code ?? "no-problem",
      problem?.detail ?? `${init.method} ${path} was answered ${response.status}: ${text.slice(0, 200)}`,
    );
  }
}

function readProblem(text: string): Problem | null {
  try {
    return JSON.parse(text) as Problem;
  } catch {
    return null;
  }
}
