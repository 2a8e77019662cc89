import { request } from "node:http";

export interface Sent {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** One request as a tenant through the router, by its host and key; an answer that is no JSON is an error. */
export function send(
  port: number,
  tenant: { readonly host: string; readonly key: string },
  method: string,
  path: string,
  body?: object,
): Promise<Sent> {
  const headers = {
    host: tenant.host,
    authorization: `Bearer ${tenant.key}`,
    ...(body === undefined ? {} : { "content-type": "application/json" }),
  };
  return new Promise((done, fail) => {
    const sent = request({ host: "127.0.0.1", port, method, path, headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      answer.on("error", fail);
      answer.on("end", () => {
        try {
          done({ status: answer.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> });
        } catch (error) {
          fail(error as Error);
        }
      });
    });
    sent.on("error", fail);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
