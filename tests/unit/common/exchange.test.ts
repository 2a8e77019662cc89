import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import test, { after, before } from "node:test";
import { Agent } from "undici";
import { exchange, NoAnswer, parseJson } from "../../../common/http/exchange.ts";

const agent = new Agent();
const server = createServer((request, response) => {
  switch (request.url) {
    case "/long":
      response.end("x".repeat(2_000));
      return;
    case "/slow":
      response.write("begun");
      return;
    case "/broken":
      response.writeHead(200, { "content-length": "100" });
      response.write("half");
      response.socket?.destroy();
      return;
    default:
      response.statusCode = 418;
      request.setEncoding("utf8").on("data", (body: string) => response.write(body));
      request.on("end", () => response.end(`${request.method} ${request.url} ${request.headers.host}`));
  }
});
let origin = "";

before(async () => {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await agent.close();
});

const ask = (path: string, limits: { timeoutMs?: number; answerLimit?: number } = {}) =>
  exchange(agent, {
    url: `${origin}${path}`,
    method: "GET",
    headers: {},
    timeoutMs: 2_000,
    answerLimit: 1_000,
    ...limits,
  });

test("any status is an answer, and the caller says which host is meant", async () => {
  const request = {
    url: `${origin}/a?b=c`,
    method: "POST",
    headers: { host: "acme.example.test" },
    body: "tea ",
    timeoutMs: 2_000,
    answerLimit: 100,
  } as const;
  assert.deepEqual(await exchange(agent, request), { status: 418, text: "tea POST /a?b=c acme.example.test" });
});

test("an answer that does not end in time is none", async () => {
  const began = performance.now();
  await assert.rejects(ask("/slow", { timeoutMs: 100 }), NoAnswer);
  assert.ok(performance.now() - began < 1_500);
});

test("an answer that is longer than wanted is none", async () => {
  await assert.rejects(ask("/long"), NoAnswer);
  assert.equal((await ask("/long", { answerLimit: 2_000 })).text.length, 2_000);
});

test("an answer that breaks off, and a port where nobody listens, are none; the cause is attached", async () => {
  await assert.rejects(ask("/broken"), NoAnswer);
  const refused = exchange(agent, {
    url: "http://127.0.0.1:1/",
    method: "GET",
    headers: {},
    timeoutMs: 1_000,
    answerLimit: 1,
  });
  await assert.rejects(
    refused,
    (error: unknown) => error instanceof NoAnswer && (error.cause as { code?: string }).code === "ECONNREFUSED",
  );
});

test("what is no JSON is undefined", () => {
  assert.deepEqual(parseJson('{"a":1}'), { a: 1 });
  assert.equal(parseJson("{"), undefined);
  assert.equal(parseJson(""), undefined);
});
