import { setTimeout as sleep } from "node:timers/promises";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // Answers are looked into freely by tests.
  readonly body: Record<string, unknown>;
}

/** Waits for a condition, for at most 30 s: machines that run tests are busy. */
export async function until(what: string, condition: () => Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(50);
  }
}

/** One request, its answer read as JSON. */
export async function send(
  base: string,
  path: string,
  options: { readonly method?: string; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> },
): Promise<Answer> {
  const raw = typeof options.body === "string" || options.body instanceof Uint8Array;
  const body = options.body === undefined ? undefined : raw ? (options.body as string) : JSON.stringify(options.body);
  const headers: Record<string, string> = {
    ...(body === undefined ? {} : { "content-type": "application/json" }),
    ...options.headers,
  };
  const response = await fetch(new URL(path, base), {
    method: options.method ?? (body === undefined ? "GET" : "POST"),
    headers,
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>),
  };
}
