import { problemContentType } from "../../common/contracts/problem.ts";
import { requestIdHeader } from "../../common/contracts/headers.ts";
import { toProblem, type CellplaneError } from "../../common/errors.ts";
import { rateFields } from "../guard/rate.ts";

/** An answer of the router's own, ready to be written. */
export interface Refusal {
  readonly status: number;
  /** Name, value, name, value, … */
  readonly fields: string[];
  /** The fields as lines. */
  readonly lines: string;
  readonly body: string;
}

/** Renders an error for who asked: a small page for browsers, a problem document (RFC 9457) for programs. */
export function renderRefusal(error: CellplaneError, requestId: string, accept: string | undefined): Refusal {
  const html = wantsHtml(accept);
  const body = html ? page(error, requestId) : JSON.stringify(toProblem(error, requestId));
  const fields = [
    "content-type",
    html ? "text/html; charset=utf-8" : problemContentType,
    "content-length",
    String(Buffer.byteLength(body)),
    "cache-control",
    "no-store",
    requestIdHeader,
    requestId,
  ];
  if (html)
    fields.push("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
  if (error.code === "rate-limited")
    fields.push(...rateFields(Number(error.extra["requestsPerSecond"]), Number(error.extra["retryAfterSeconds"])));
  if (error.status === 401) fields.push("www-authenticate", "Bearer");
  const retryAfter = error.extra["retryAfterSeconds"];
  if (typeof retryAfter === "number") fields.push("retry-after", String(Math.max(1, Math.ceil(retryAfter))));
  else if (error.status === 503 || error.status === 429) fields.push("retry-after", "1");
  let lines = "";
  for (let index = 0; index < fields.length; index += 2) lines += `${fields[index]}: ${fields[index + 1]}\r\n`;
  return { status: error.status, fields, lines, body };
}

/** A browser names text/html; a program that takes anything gets the problem document. */
function wantsHtml(accept: string | undefined): boolean {
  return accept !== undefined && accept.includes("text/html") && !accept.includes("json");
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
const escaped = (text: string): string => text.replace(/[&<>"']/g, (letter) => entities[letter] ?? letter);

function page(error: CellplaneError, requestId: string): string {
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(error.definition.title)}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;color:#222}code{color:#666}</style>
<h1>${escaped(error.definition.title)}</h1>
<p>${escaped(error.message)}</p>
<p>${escaped(error.definition.todo)}</p>
<p><code>${error.status} ${error.code} · request ${escaped(requestId)}</code></p>
</html>
`;
}
