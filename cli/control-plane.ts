import { problemContentType, type Problem } from "../common/contracts/problem.ts";
import { cliError, RemoteProblem } from "./errors.ts";

/** A creation waits up to 30 s for the cell and the routers; a little more than that is patience enough for any call. */
const callLimitMs = 45_000;
/** Storing a release's runtime means some hundred megabytes. */
const uploadLimitMs = 180_000;

/** The control plane's API as the command line uses it. Paths are relative to its address. */
export interface ControlPlane {
  /** @throws RemoteProblem for a refusal, CellplaneError `control-plane-unreachable` where nobody answers in time. */
  get<Answer>(path: string, limitMs?: number): Promise<Answer>;
  post<Answer>(path: string, body?: unknown, limitMs?: number): Promise<Answer>;
  put<Answer>(path: string, body: unknown): Promise<Answer>;
  delete<Answer>(path: string): Promise<Answer>;
  /** Whether there is something at `path`. */
  has(path: string): Promise<boolean>;
  /** Sends bytes as they are; a blob of a file is never wholly in memory. */
  upload(path: string, bytes: Blob): Promise<void>;
}

/**
 * @param url address of the control plane, e.g. `http://127.0.0.1:8081`
 * @param token an operator's token, `cpo_…`
 */
export function controlPlaneAt(url: string, token: string): ControlPlane {
  const call = async (method: string, path: string, options: CallOptions = {}): Promise<Response> => {
    const headers: Record<string, string> = { authorization: `Bearer ${token}`, accept: "application/json" };
    if (options.contentType !== undefined) headers["content-type"] = options.contentType;
    const init: RequestInit = {
      method,
      headers,
      redirect: "error",
      signal: AbortSignal.timeout(options.limitMs ?? callLimitMs),
    };
    if (options.body !== undefined) init.body = options.body;
    try {
      return await fetch(new URL(path, url), init);
    } catch (cause) {
      throw unreachable(url, cause);
    }
  };
  const json = async <Answer>(method: string, path: string, options?: CallOptions): Promise<Answer> =>
    (await readAnswer(url, await call(method, path, options))) as Answer;
  return {
    get: (path, limitMs) => json("GET", path, limitMs === undefined ? {} : { limitMs }),
    post: (path, body, limitMs = callLimitMs) =>
      json("POST", path, { body: JSON.stringify(body ?? {}), contentType: "application/json", limitMs }),
    put: (path, body) => json("PUT", path, { body: JSON.stringify(body), contentType: "application/json" }),
    delete: (path) => json("DELETE", path),
    has: async (path) => {
      const response = await call("HEAD", path);
      if (response.ok) return true;
      if (response.status === 404) return false;
      await readAnswer(url, await call("GET", path));
      return true;
    },
    upload: async (path, bytes) => {
      const options = { body: bytes, contentType: "application/octet-stream", limitMs: uploadLimitMs };
      await readAnswer(url, await call("PUT", path, options));
    },
  };
}

interface CallOptions {
  readonly body?: string | Blob;
  readonly contentType?: string;
  readonly limitMs?: number;
}

async function readAnswer(url: string, response: Response): Promise<unknown> {
  let text: string;
  try {
    text = await response.text();
  } catch (cause) {
    throw unreachable(url, cause);
  }
  const type = response.headers.get("content-type") ?? "";
  const value = type.includes("json") && text !== "" ? parse(text, response) : null;
  if (response.ok) return value;
  if (type.startsWith(problemContentType) && isProblem(value)) throw new RemoteProblem(value);
  throw cliError(
    "unexpected-answer",
    `${new URL(response.url).pathname} answered ${response.status} without a problem document.`,
  );
}

function parse(text: string, response: Response): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw cliError("unexpected-answer", `${new URL(response.url).pathname} answered what is not JSON.`, { cause });
  }
}

function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && "code" in value && "title" in value && "detail" in value;
}

function unreachable(url: string, cause: unknown) {
  const timedOut = cause instanceof Error && cause.name === "TimeoutError";
  const reason = (cause as { cause?: NodeJS.ErrnoException }).cause?.code;
  const how = timedOut ? "did not answer in time" : `could not be reached${reason === undefined ? "" : ` (${reason})`}`;
  return cliError("control-plane-unreachable", `${url} ${how}.`, { cause });
}
