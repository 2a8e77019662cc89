import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { CellplaneError, type ErrorDefinition } from "../../../common/errors.ts";

/** An object whose methods answer promises of plain JSON. */
type Callable = Record<string, (...args: never[]) => Promise<unknown>>;

/** What a call over the wire says. */
type Word =
  | { readonly value: unknown }
  | { readonly error: { readonly code: string; readonly definition: ErrorDefinition; readonly detail: string } };

export interface Served {
  readonly url: string;
  stop(): Promise<void>;
}

/** Lets other processes call the methods of these objects: what has to survive a process that is killed lives here. */
export async function serve(objects: Readonly<Record<string, Callable>>): Promise<Served> {
  const server = createServer((request, response) => {
    void answer(objects, request).then((word) => {
      response.writeHead(word === null ? 404 : 200, { "content-type": "application/json" });
      response.end(JSON.stringify(word ?? {}));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function answer(objects: Readonly<Record<string, Callable>>, request: IncomingMessage): Promise<Word | null> {
  const [, object = "", method = ""] = (request.url ?? "").split("/");
  const callee = objects[object]?.[method];
  if (callee === undefined) return null;
  let text = "";
  for await (const chunk of request.setEncoding("utf8") as AsyncIterable<string>) text += chunk;
  try {
    return { value: await callee(...(JSON.parse(text) as never[])) };
  } catch (error) {
    if (!(error instanceof CellplaneError)) throw error;
    return { error: { code: error.code, definition: error.definition, detail: error.message } };
  }
}

/** An object whose methods are those served there under that name. */
export function remote<Remote extends object>(
  url: string,
  name: string,
  methods: readonly (keyof Remote & string)[],
): Remote {
  const call = async (method: string, args: readonly unknown[]): Promise<unknown> => {
    const response = await fetch(`${url}/${name}/${method}`, { method: "POST", body: JSON.stringify(args) });
    const word = (await response.json()) as Word;
    if ("error" in word) throw new CellplaneError(word.error.code, word.error.definition, word.error.detail);
    return word.value;
  };
  return Object.fromEntries(methods.map((method) => [method, (...args: unknown[]) => call(method, args)])) as Remote;
}
