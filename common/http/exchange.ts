import type { Dispatcher } from "undici";

/** There is no whole answer: refused, broken off, too late or too long. Whether the request was carried out is not known. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

export interface Exchange {
  readonly url: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** How long all of it may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Longest answer that is read, in UTF-16 code units. */
  readonly answerLimit: number;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/**
 * One bounded request and its whole answer as text, whatever its status. Unlike `fetch` it lets the caller set Host, which is how a tenant
 * is addressed on an address that is not its own.
 * @throws NoAnswer
 */
export async function exchange(dispatcher: Dispatcher, request: Exchange): Promise<Answer> {
  const { origin, pathname, search } = new URL(request.url);
  try {
    const { statusCode, body } = await dispatcher.request({
      origin,
      path: `${pathname}${search}`,
      method: request.method,
      headers: request.headers,
      signal: AbortSignal.timeout(request.timeoutMs),
      ...(request.body === undefined ? {} : { body: request.body }),
    });
    let text = "";
    for await (const chunk of body.setEncoding("utf8") as AsyncIterable<string>) {
      text += chunk;
      if (text.length > request.answerLimit) throw new RangeError(`the answer is longer than ${request.answerLimit}`);
    }
    return { status: statusCode, text };
  } catch (cause) {
    throw new NoAnswer(`${origin} gave no whole answer within ${request.timeoutMs} ms`, { cause });
  }
}

/** The value of a JSON text, undefined where it is none: what comes from elsewhere is checked by a schema anyway. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
