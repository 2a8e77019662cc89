import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import test, { after, before, describe } from "node:test";
import Type from "typebox";
import Value from "typebox/value";
import { Problem } from "../../../common/contracts/problem.ts";
import { httpError } from "../../../common/http/errors.ts";
import { createServer, type Server } from "../../../common/http/server.ts";
import { createLog } from "../../../common/log.ts";

const bodyLimitBytes = 4_096;
const requestTimeoutMs = 300;
let server: Server;
let port = 0;

before(async () => {
  server = createServer({ log: createLog("test", "silent"), bodyLimitBytes, requestTimeoutMs });
  const Cup = Type.Object(
    { name: Type.String({ maxLength: 20 }), sugar: Type.Integer({ minimum: 0 }), milk: Type.Optional(Type.Boolean()) },
    { additionalProperties: false },
  );
  const Query = Type.Object({ warm: Type.Optional(Type.String()) }, { additionalProperties: false });
  server.post("/cups", { schema: { body: Cup, querystring: Query } }, async (request) => ({ got: request.body }));
  server.get("/cups/:id", async (request) => ({ id: (request.params as { id: string }).id }));
  server.put("/cups/:id", async () => ({}));
  server.post("/anything", async (request) => ({ got: request.body ?? null }));
  server.get("/broken", async () => {
    throw new Error("connection to postgres://app:hunter2@db refused");
  });
  server.get("/resting", async () => {
    throw httpError("unavailable", "Resting.", { extra: { retryAfterSeconds: 2.2 } });
  });
  server.get("/tired", async () => {
    throw httpError("unavailable", "Tired.");
  });
  void server.register(async (scope) => {
    scope.delete("/inside/:a/deeper", async () => ({}));
  });
  await server.listen({ host: "127.0.0.1", port: 0 });
  port = (server.server.address() as AddressInfo).port;
});
after(() => server.close());

type Answer = Awaited<ReturnType<typeof post>>;
const post = (url: string, body: string, type = "application/json") =>
  server.inject({ method: "POST", url, payload: body, headers: { "content-type": type } });

function problemOf(answer: Answer): Problem {
  assert.match(String(answer.headers["content-type"]), /^application\/problem\+json/);
  const problem: unknown = answer.json();
  assert.ok(Value.Check(Problem, problem), answer.body);
  assert.equal(problem.status, answer.statusCode);
  assert.equal(problem.requestId, answer.headers["x-request-id"]);
  return problem;
}

function assertProblem(answer: Answer, status: number, code: string): Problem {
  const problem = problemOf(answer);
  assert.equal(answer.statusCode, status, answer.body);
  assert.equal(problem.code, code);
  return problem;
}

/** Sends raw bytes and reads until the server closes the connection. */
async function raw(...pieces: readonly string[]): Promise<string> {
  const socket = connect(port, "127.0.0.1").setEncoding("utf8");
  let text = "";
  socket.on("data", (chunk: string) => (text += chunk));
  await once(socket, "connect");
  for (const piece of pieces) socket.write(piece, "latin1");
  await once(socket, "close");
  return text;
}

function rawProblem(answer: string): { head: string; problem: Problem } {
  const [head = "", body = ""] = answer.split("\r\n\r\n", 2);
  assert.match(head, /content-type: application\/problem\+json/i, answer);
  const problem: unknown = JSON.parse(body);
  assert.ok(Value.Check(Problem, problem), body);
  assert.match(head, new RegExp(`^HTTP/1.1 ${problem.status} `));
  assert.match(head, /connection: close/i);
  return { head, problem };
}

describe("a body is taken as its schema says, or not at all", () => {
  test("what fits is handed over unchanged", async () => {
    const answer = await post("/cups", '{"name":"tea","sugar":2}');
    assert.deepEqual(answer.json(), { got: { name: "tea", sugar: 2 } });
  });

  for (const [what, body] of [
    ["an unknown member", '{"name":"tea","sugar":2,"salt":1}'],
    ["a number as text", '{"name":"tea","sugar":"2"}'],
    ["a boolean as text", '{"name":"tea","sugar":2,"milk":"true"}'],
    ["a fraction for an integer", '{"name":"tea","sugar":2.5}'],
    ["null for an optional member", '{"name":"tea","sugar":2,"milk":null}'],
    ["a missing member", '{"name":"tea"}'],
    ["an array for an object", "[]"],
    ["null", "null"],
    ["a text that is too long", '{"name":"aaaaaaaaaaaaaaaaaaaaa","sugar":2}'],
  ] as const) {
    test(`${what} is refused`, async () => {
      assertProblem(await post("/cups", body), 400, "invalid-request");
    });
  }

  test("the refusal names the member", async () => {
    assert.match(
      assertProblem(await post("/cups", '{"name":"tea","sugar":"2"}'), 400, "invalid-request").detail,
      /sugar/,
    );
  });

  test("an unknown query parameter is refused", async () => {
    assertProblem(await post("/cups?warm=1&cold=1", '{"name":"tea","sugar":2}'), 400, "invalid-request");
  });

  for (const body of ["{", '{"name":}', "", "tea", '{"a":1}x']) {
    test(`${JSON.stringify(body)} is no JSON`, async () => {
      assertProblem(await post("/cups", body), 400, "malformed-json");
    });
  }

  for (const body of [
    '{"__proto__":{"admin":true}}',
    '{"a":{"__proto__":{}}}',
    '{"constructor":{"prototype":{"admin":true}}}',
    '{"\\u005f_proto__":{}}',
  ]) {
    test(`${body} poisons no prototype`, async () => {
      assertProblem(await post("/anything", body), 400, "malformed-json");
      assert.equal(({} as { admin?: boolean }).admin, undefined);
    });
  }

  test("a body may be nested, but not without end; brackets within texts do not count", async () => {
    const nested = (levels: number): string => `${"[".repeat(levels)}${"]".repeat(levels)}`;
    assert.equal((await post("/anything", nested(64))).statusCode, 200);
    assert.match(assertProblem(await post("/anything", nested(65)), 400, "malformed-json").detail, /64 levels/);
    assertProblem(await post("/anything", "[".repeat(bodyLimitBytes)), 400, "malformed-json");
    assertProblem(await post("/anything", `${'{"a":'.repeat(65)}1${"}".repeat(65)}`), 400, "malformed-json");
    assert.equal((await post("/anything", JSON.stringify(`\\"${"[".repeat(200)}`))).statusCode, 200);
  });

  test("bytes that are no UTF-8 are refused, not replaced", async () => {
    for (const bytes of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80]]) {
      const payload = Buffer.concat([Buffer.from('"'), Buffer.from(bytes), Buffer.from('"')]);
      const answer = await server.inject({
        method: "POST",
        url: "/anything",
        payload,
        headers: { "content-type": "application/json" },
      });
      assert.match(assertProblem(answer, 400, "malformed-json").detail, /UTF-8/);
    }
  });

  test("another content type is not understood", async () => {
    assertProblem(await post("/anything", "tea", "text/plain"), 415, "unsupported-media-type");
    assertProblem(await post("/cups", "name=tea", "application/x-www-form-urlencoded"), 415, "unsupported-media-type");
    assertProblem(await post("/cups", "<tea/>", "application/xml"), 415, "unsupported-media-type");
  });
});

describe("a body has an end", () => {
  const large = JSON.stringify({ name: "x".repeat(bodyLimitBytes) });

  test("one byte too many is 413, announced or not", async () => {
    assert.equal((await post("/anything", JSON.stringify("x".repeat(bodyLimitBytes - 2)))).statusCode, 200);
    assertProblem(await post("/anything", JSON.stringify("x".repeat(bodyLimitBytes - 1))), 413, "body-too-large");
    const chunked = `POST /anything HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\n`;
    assert.equal(rawProblem(await raw(chunked)).problem.code, "body-too-large");
  });

  test("a body that stops half-way is timed out with 408", async () => {
    const began = performance.now();
    const { problem } = rawProblem(
      await raw(
        'POST /anything HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"a"',
      ),
    );
    assert.equal(problem.code, "slow-request");
    assert.ok(performance.now() - began < 10 * requestTimeoutMs + 2_000);
  });

  test("a head that stops half-way is timed out with 408", async () => {
    assert.equal(rawProblem(await raw("GET /cups/1 HTTP/1.1\r\nhost: a\r\nx-")).problem.code, "slow-request");
  });
});

describe("an address answers the methods that it knows", () => {
  test("an unknown address is 404", async () => {
    for (const url of ["/", "/cup", "/cups/1/2", "/inside", "/CUPS/1"]) {
      assertProblem(await server.inject({ method: "GET", url }), 404, "not-found");
    }
  });

  test("another method is 405 with Allow", async () => {
    const answer = await server.inject({ method: "DELETE", url: "/cups/1?x=1" });
    assertProblem(answer, 405, "method-not-allowed");
    assert.equal(answer.headers["allow"], "GET, HEAD, PUT, OPTIONS");
    const other = await server.inject({ method: "GET", url: "/cups" });
    assertProblem(other, 405, "method-not-allowed");
    assert.equal(other.headers["allow"], "POST, OPTIONS");
  });

  test("OPTIONS says what an address knows, and nothing of an unknown one", async () => {
    const answer = await server.inject({ method: "OPTIONS", url: "/cups/1" });
    assert.deepEqual([answer.statusCode, answer.body], [204, ""]);
    assert.equal(answer.headers["allow"], "GET, HEAD, PUT, OPTIONS");
    assertProblem(await server.inject({ method: "OPTIONS", url: "/nowhere" }), 404, "not-found");
  });

  test("a route of an inner scope is known too", async () => {
    const answer = await server.inject({ method: "GET", url: "/inside/1/deeper" });
    assertProblem(answer, 405, "method-not-allowed");
    assert.equal(answer.headers["allow"], "DELETE, OPTIONS");
  });

  test("a body of any type does not hide the 405", async () => {
    const answer = await server.inject({
      method: "PUT",
      url: "/cups",
      payload: "{",
      headers: { "content-type": "application/json" },
    });
    assertProblem(answer, 405, "method-not-allowed");
  });

  test("an address that cannot be decoded is 400", async () => {
    assertProblem(await server.inject({ method: "GET", url: "/cups/%zz" }), 400, "invalid-request");
  });

  test("a part of an address that is too long is 414", async () => {
    assertProblem(await server.inject({ method: "GET", url: `/cups/${"x".repeat(201)}` }), 414, "address-too-long");
  });
});

describe("an error says what its reader needs and no more", () => {
  test("the text of an unforeseen error stays in the log", async () => {
    const answer = await server.inject({ method: "GET", url: "/broken" });
    assertProblem(answer, 500, "internal-error");
    assert.ok(!answer.body.includes("hunter2"));
  });

  test("Retry-After is whole seconds, at least one", async () => {
    assert.equal((await server.inject({ url: "/resting" })).headers["retry-after"], "3");
    assert.equal((await server.inject({ url: "/tired" })).headers["retry-after"], "1");
  });

  test("a well-formed request id is kept, any other replaced", async () => {
    const idOf = async (id: string) =>
      (await server.inject({ url: "/cups/1", headers: { "x-request-id": id } })).headers["x-request-id"];
    assert.equal(await idOf("abc-1.2_3"), "abc-1.2_3");
    for (const bad of ["a b", "x".repeat(65), "<script>", ""]) {
      assert.match(String(await idOf(bad)), /^[0-9a-f-]{36}$/);
    }
  });
});

describe("what is no HTTP is answered in our own words and cut off", () => {
  for (const [what, bytes] of [
    ["garbage", "hello\r\n\r\n"],
    ["a space in a header's name", "GET / HTTP/1.1\r\nhost: a\r\nbad name: 1\r\n\r\n"],
    ["two lengths", "POST /anything HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"],
    [
      "a length and chunks",
      "POST /anything HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["a bare line feed in a header", "GET / HTTP/1.1\r\nhost: a\r\nx: a\nb: c\r\n\r\n"],
  ] as const) {
    test(`${what} is 400`, async () => {
      assert.equal(rawProblem(await raw(bytes)).problem.status, 400);
    });
  }

  test("an expectation that nobody knows is 417", async () => {
    const { problem } = rawProblem(await raw("GET /cups/1 HTTP/1.1\r\nhost: a\r\nexpect: miracles\r\n\r\n"));
    assert.equal(problem.code, "expectation-failed");
  });

  test("a head that is too large is 431", async () => {
    const { problem } = rawProblem(await raw(`GET / HTTP/1.1\r\nhost: a\r\nx: ${"a".repeat(20_000)}\r\n\r\n`));
    assert.equal(problem.status, 431);
  });
});
