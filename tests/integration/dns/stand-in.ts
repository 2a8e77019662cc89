import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** What to answer instead of passing a request on; null: pass it on. */
export type Interception = (request: Request) => Answer | null;
interface Request {
  readonly method: string;
  readonly path: string;
}
export interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface StandIn {
  readonly url: string;
  /** Requests seen, as `METHOD /path`. */
  readonly seen: readonly string[];
  intercept(interception: Interception): void;
  /** The next request of this kind is passed on and done, but its caller hears 503. */
  loseAnswer(of: (request: Request) => boolean): void;
  close(): Promise<void>;
}

/**
 * Stands before moto and does what Route 53 does but moto does not: it throttles when told to, and refuses a batch
 * that deletes a TXT value which is not there, or creates one where another is. (moto accepts the deletion of any value
 * that was ever written.)
 */
export async function startStandIn(motoUrl: string): Promise<StandIn> {
  const seen: string[] = [];
  let interception: Interception = () => null;
  let losing: ((request: Request) => boolean) | null = null;

  async function answer(request: IncomingMessage): Promise<Answer> {
    const { method = "", url: path = "" } = request;
    const body = Buffer.concat(await Array.fromAsync(request)).toString();
    seen.push(`${method} ${path}`);
    const given =
      interception({ method, path }) ?? (await refusalOf(path, body, pass)) ?? (await pass(method, path, body));
    if (losing === null || !losing({ method, path })) return given;
    losing = null;
    return { status: 503, body: "" };

    // moto tells services apart by the scope of the signature.
    async function pass(...[as, to, text]: Parameters<Pass>): Promise<Answer> {
      const headers = { authorization: request.headers.authorization ?? "", "content-type": "application/xml" };
      const passed = await fetch(`${motoUrl}${to}`, { method: as, headers, ...(text === "" ? {} : { body: text }) });
      return { status: passed.status, body: await passed.text() };
    }
  }

  const server = createServer((request, response) => {
    answer(request).then(
      ({ status, body }) => response.writeHead(status, { "content-type": "text/xml" }).end(body),
      (error: unknown) => response.destroy(error instanceof Error ? error : undefined),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    intercept: (next) => (interception = next),
    loseAnswer: (of) => (losing = of),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const namespace = 'xmlns="https://route53.amazonaws.com/doc/2013-04-01/"';

/** A refusal as Route 53 words it. */
export function refusal(code: string): Answer {
  const error = `<Error><Type>Sender</Type><Code>${code}</Code><Message>said the stand-in</Message></Error>`;
  return {
    status: 400,
    body: `<?xml version="1.0"?><ErrorResponse ${namespace}>${error}<RequestId>1</RequestId></ErrorResponse>`,
  };
}

/** Some refusals of batches come in a form of their own. */
export const invalidBatch: Answer = {
  status: 400,
  body: `<?xml version="1.0"?><InvalidChangeBatch ${namespace}><Messages><Message>values do not match</Message></Messages><RequestId>1</RequestId></InvalidChangeBatch>`,
};

type Pass = (method: string, path: string, body: string) => Promise<Answer>;

async function refusalOf(path: string, body: string, pass: Pass): Promise<Answer | null> {
  if (!body.includes("<Type>TXT</Type>")) return null;
  const held = markersIn((await pass("GET", path.replace(/\/$/, ""), "")).body);
  const changes = body
    .split("<Change>")
    .slice(1)
    .filter((change) => change.includes("<Type>TXT</Type>"));
  const deleted = markersIn(changes.find((change) => change.includes("<Action>DELETE</Action>")) ?? "");
  const creates = changes.some((change) => change.includes("<Action>CREATE</Action>"));
  const mismatch = deleted.some((marker) => !held.includes(marker)) || (creates && held.length > deleted.length);
  return mismatch ? invalidBatch : null;
}

function markersIn(xml: string): readonly string[] {
  return [...xml.matchAll(/cellplane fleet=[^<"&]*/g)].map(([marker]) => marker);
}
