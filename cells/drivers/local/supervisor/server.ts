import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import Value from "typebox/value";
import { problemContentType } from "../../../../common/contracts/problem.ts";
import { ProcessSpec } from "../../../../common/contracts/supervisor.ts";
import { CellplaneError, toProblem } from "../../../../common/errors.ts";
import type { Logger } from "../../../../common/log.ts";
import { driverError } from "../../errors.ts";
import type { Fleet } from "./fleet.ts";

/** A spec is a few KiB; its environment is the most of it. */
const bodyLimitBytes = 256 * 1024;

export interface ServerOptions {
  readonly fleet: Fleet;
  readonly token: string;
  readonly log: Logger;
  /** Called when `POST /shutdown` has been answered: everything is down. */
  readonly onShutdown: () => void;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/**
 * The supervisor's API, on Node's own server: it starts first, and each millisecond of its start is one of the fleet's.
 *   GET    /healthz                                 without a token
 *   GET    /processes                               ProcessList
 *   PUT    /processes/:name                         ProcessSpec → ProcessStatus
 *   DELETE /processes/:name                         when it is down
 *   POST   /processes/:name/start | stop | restart  ProcessStatus; `stop` answers when it is down
 *   POST   /shutdown                                when everything is down
 */
export function createSupervisorServer(options: ServerOptions): Server {
  // A stop may take as long as a process's grace; Node would cut a request's arrival only, which is bounded below.
  const server = createServer({ requestTimeout: 10_000, keepAliveTimeout: 1_000 }, (request, response) => {
    answer(request, options)
      .catch((error: unknown) => problemOf(error, options.log))
      .then(({ status, body }) => send(response, status, body))
      .then(() => {
        if (request.url === "/shutdown" && response.statusCode === 200) options.onShutdown();
      })
      .catch((error: unknown) => options.log.error({ event: "not-answered", err: error }));
  });
  return server;
}

async function answer(request: IncomingMessage, options: ServerOptions): Promise<Answer> {
  const { fleet } = options;
  const path = request.url ?? "";
  if (path === "/healthz" && request.method === "GET") return { status: 200, body: { alive: true } };
  if (!bears(request, options.token))
    throw driverError("supervisor-unauthenticated", "The token is not this supervisor's.");
  const [, root, name, action, ...rest] = path.split("/");
  if (root === "shutdown" && name === undefined && request.method === "POST") {
    await fleet.shutdown();
    return { status: 200, body: {} };
  }
  if (root !== "processes" || rest.length > 0)
    throw driverError("unknown-process", `Nothing answers at ${path.slice(0, 200)}.`);
  if (name === undefined && request.method === "GET") return { status: 200, body: { processes: fleet.list() } };
  if (name === undefined)
    throw driverError("supervisor-refused", `${request.method} is not known at ${path.slice(0, 200)}.`);
  if (action === undefined) return onProcess(request, name, fleet);
  if (request.method !== "POST")
    throw driverError("supervisor-refused", `${request.method} is not known at ${path.slice(0, 200)}.`);
  switch (action) {
    case "start":
      return { status: 200, body: await fleet.start(name) };
    case "stop":
      return { status: 200, body: await fleet.stop(name) };
    case "restart":
      return { status: 200, body: await fleet.restart(name) };
    default:
      throw driverError("supervisor-refused", `There is no action ${action.slice(0, 40)}.`);
  }
}

async function onProcess(request: IncomingMessage, name: string, fleet: Fleet): Promise<Answer> {
  switch (request.method) {
    case "GET":
      return { status: 200, body: fleet.get(name).status() };
    case "DELETE":
      await fleet.remove(name);
      return { status: 200, body: {} };
    case "PUT": {
      const spec = await readSpec(request);
      if (spec.name !== name) throw driverError("supervisor-refused", `The spec is that of ${spec.name}.`);
      return { status: 200, body: await fleet.put(spec) };
    }
    default:
      throw driverError("supervisor-refused", `${request.method} is not known for a process.`);
  }
}

async function readSpec(request: IncomingMessage): Promise<ProcessSpec> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8") as AsyncIterable<string>) {
    text += chunk;
    if (text.length > bodyLimitBytes)
      throw driverError("supervisor-refused", `A spec has at most ${bodyLimitBytes} bytes.`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw driverError("supervisor-refused", "The body is not JSON.", { cause });
  }
  if (Value.Check(ProcessSpec, value)) return value;
  const [first] = Value.Errors(ProcessSpec, value);
  throw driverError(
    "supervisor-refused",
    `The spec does not fit: ${first?.instancePath ?? ""} ${first?.message ?? ""}.`,
  );
}

function bears(request: IncomingMessage, token: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(request.headers.authorization ?? ""), digest(`Bearer ${token}`));
}

function problemOf(error: unknown, log: Logger): Answer {
  if (error instanceof CellplaneError) return { status: error.status, body: toProblem(error) };
  log.error({ event: "request-failed", err: error });
  const unforeseen = driverError("supervisor-failed", "An unforeseen error; it is in the supervisor's log.", {
    cause: error,
  });
  return { status: unforeseen.status, body: toProblem(unforeseen) };
}

function send(response: ServerResponse, status: number, body: unknown): Promise<void> {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": status < 400 ? "application/json" : problemContentType,
    "content-length": Buffer.byteLength(text),
  });
  return new Promise((resolve) => {
    response.once("close", resolve);
    response.end(text);
  });
}
