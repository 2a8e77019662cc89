import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { sha256 } from "../../../common/canonical.ts";
import { uuidv7 } from "../../../common/uuid.ts";
import { verifyAudit } from "../../../control-plane/audit/audit.store.ts";
import { writeOperatorToken } from "../../../control-plane/auth/credentials.store.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { startTestCell, startTestPlane, type TestPlane } from "./support.ts";

let postgres: TestPostgres;
let plane: TestPlane;

before(async () => {
  postgres = await startPostgres();
  plane = await startTestPlane(postgres);
  for (const role of ["viewer", "operator"] as const) {
    await writeOperatorToken(plane.context.pool, {
      id: uuidv7(),
      name: `the-${role}`,
      role,
      digest: sha256(`cpo_${role}`),
    });
  }
});

after(async () => {
  await plane?.stop();
  await postgres?.stop();
});

const as = (name: string) => ({ authorization: `Bearer cpo_${name}` });
const anonymous = { authorization: "" };

async function signIn(): Promise<string> {
  const { body } = await plane.call("POST", "/v1/sign-in-codes");
  const made = await plane.call(
    "POST",
    "/v1/sessions",
    { code: String(body["code"]).toLowerCase() },
    { origin: plane.url },
  );
  assert.equal(made.status, 200);
  const cookie = made.headers.get("set-cookie") ?? "";
  assert.match(cookie, /HttpOnly/);
  assert.match(cookie, /SameSite=Strict/);
  return cookie.split(";", 1)[0] ?? "";
}

/** A browser's request: a cookie, and no token. */
async function browse(
  method: string,
  path: string,
  cookie: string,
  headers: Record<string, string> = {},
  body?: unknown,
): Promise<number> {
  const json = body === undefined ? {} : { body: JSON.stringify(body) };
  const type = body === undefined ? {} : { "content-type": "application/json" };
  const response = await fetch(new URL(path, plane.url), { method, headers: { cookie, ...type, ...headers }, ...json });
  await response.body?.cancel();
  return response.status;
}

test("without a credential, or with a wrong one, nothing is told", async () => {
  for (const headers of [
    { authorization: "Bearer cpo_wrong" },
    { authorization: "Basic eDp5" },
    { authorization: `Bearer ${plane.token}x` },
  ]) {
    const { status, body } = await plane.call("GET", "/v1/tenants", undefined, headers);
    assert.deepEqual([status, body["code"]], [401, "credential-refused"]);
  }
  const none = await fetch(new URL("/v1/tenants", plane.url));
  assert.equal(none.status, 401);
  assert.equal(((await none.json()) as { code: string }).code, "unauthenticated");
});

test("a sign-in code works once", async () => {
  const { body } = await plane.call("POST", "/v1/sign-in-codes");
  const use = () => plane.call("POST", "/v1/sessions", { code: body["code"] }, { ...anonymous, origin: plane.url });
  assert.equal((await use()).status, 200);
  const again = await use();
  assert.deepEqual([again.status, again.body["code"]], [401, "code-refused"]);
});

test("a session acts for its person until it ends, but not at another site's bidding", async () => {
  const cookie = await signIn();
  const change = { tier: "free" };
  assert.equal(await browse("GET", "/v1/whoami", cookie), 200);
  assert.equal(await browse("POST", "/v1/placements/what-if", cookie, { origin: plane.url }, change), 200);
  assert.equal(await browse("POST", "/v1/placements/what-if", cookie, { origin: "http://evil.example" }, change), 403);
  assert.equal(await browse("POST", "/v1/placements/what-if", cookie, { origin: "null" }, change), 403);
  assert.equal(await browse("POST", "/v1/placements/what-if", cookie, {}, change), 403);
  assert.equal(await browse("POST", "/v1/placements/what-if", cookie, { "x-cellplane-request": "1" }, change), 200);
  assert.equal(
    await browse("POST", "/v1/sign-in-codes", cookie, { origin: plane.url }),
    403,
    "a session makes no codes",
  );
  assert.equal(await browse("DELETE", "/v1/sessions", cookie, { origin: plane.url }), 200);
  assert.equal(await browse("GET", "/v1/whoami", cookie), 401);
});

test("roles are kept, and a refusal stands in the audit", async () => {
  const cell = await startTestCell("cell-9", "eu", () => plane.key);
  const wish = { slug: "x", tier: "free" };
  const refused = await plane.call("POST", "/v1/tenants", wish, as("viewer"));
  assert.deepEqual([refused.status, refused.body["code"]], [403, "role-too-low"]);
  assert.equal((await plane.call("POST", "/v1/cells", cell.registration, as("operator"))).status, 403);
  assert.equal((await plane.call("GET", "/v1/cells", undefined, as("viewer"))).status, 200);
  assert.equal((await plane.call("POST", "/v1/tenants", wish, as("operator"))).body["code"], "no-cell-fits");
  const { body } = await plane.call("GET", "/v1/audit?limit=2");
  const entries = (body["entries"] as { actor: string; action: string; outcome: string }[]).map(
    ({ actor, action, outcome }) => [actor, action, outcome],
  );
  assert.deepEqual(entries, [
    ["the-operator", "POST /v1/cells", "refused"],
    ["the-viewer", "POST /v1/tenants", "refused"],
  ]);
  await cell.stop();
});

test("the audit's chain holds, and a changed, a missing and a cut-off entry are found", async () => {
  const { pool } = plane.context;
  const sound = await plane.call("GET", "/v1/audit/verification");
  assert.deepEqual(sound.body, { intact: true, brokenAt: null, why: null });

  await pool.query("UPDATE audit_entries SET actor = 'somebody else' WHERE sequence = 3");
  assert.deepEqual(await verifyAudit(pool), { sequence: 3, reason: "changed" });
  await pool.query("DELETE FROM audit_entries WHERE sequence = 2");
  assert.deepEqual(await verifyAudit(pool), { sequence: 2, reason: "missing" });
  await pool.query("DELETE FROM audit_entries WHERE sequence > 1");
  assert.deepEqual(await verifyAudit(pool), { sequence: 2, reason: "head" });
});

test("the dashboard comes without inline script, in nobody's frame, also before it is built", async () => {
  const response = await fetch(plane.url);
  assert.equal(response.status, 200);
  assert.match(await response.text(), /being built/);
  const policy = response.headers.get("content-security-policy") ?? "";
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.equal((await fetch(new URL("/assets/..%2f..%2fkeys%2fpublisher.pem", plane.url))).status, 404);
});

test("an admin adds operators, whose tokens work until they are revoked", async () => {
  const added = await plane.call("POST", "/v1/operators", { name: "ada", role: "operator" });
  assert.equal(added.status, 201, JSON.stringify(added.body));
  const ada = { authorization: `Bearer ${String(added.body["token"])}` };
  assert.deepEqual((await plane.call("GET", "/v1/whoami", undefined, ada)).body, { actor: "ada", role: "operator" });
  const listed = (await plane.call("GET", "/v1/operators")).body["operators"] as { name: string; role: string }[];
  assert.ok(listed.some(({ name, role }) => name === "ada" && role === "operator"));
  assert.ok(!JSON.stringify(listed).includes("cpo_"));

  const { body } = await plane.call("POST", "/v1/sign-in-codes", undefined, ada);
  const session = await plane.call("POST", "/v1/sessions", { code: body["code"] }, { ...anonymous, origin: plane.url });
  const cookie = (session.headers.get("set-cookie") ?? "").split(";", 1)[0] ?? "";
  assert.equal(await browse("GET", "/v1/whoami", cookie), 200);
  const unused = await plane.call("POST", "/v1/sign-in-codes", undefined, ada);

  assert.equal((await plane.call("DELETE", "/v1/operators/ada")).status, 200);
  assert.equal((await plane.call("GET", "/v1/whoami", undefined, ada)).status, 401);
  assert.equal(await browse("GET", "/v1/whoami", cookie), 401, "a session ends with the token that made it");
  const late = await plane.call(
    "POST",
    "/v1/sessions",
    { code: unused.body["code"] },
    { ...anonymous, origin: plane.url },
  );
  assert.deepEqual([late.status, late.body["code"]], [401, "code-refused"]);
  assert.equal((await plane.call("DELETE", "/v1/operators/ada")).body["code"], "unknown-operator");

  const again = await plane.call("POST", "/v1/operators", { name: "ada", role: "viewer" });
  assert.equal(again.status, 201, "a new token for a name whose old one was revoked");
  assert.notEqual(again.body["token"], added.body["token"]);
  assert.equal((await plane.call("GET", "/v1/whoami", undefined, ada)).status, 401, "the old one stays worthless");
});

test("nobody takes another's name, a part's or the own token, and only an admin adds", async () => {
  const codeOf = async (method: string, path: string, body?: unknown, headers?: Record<string, string>) => {
    const answer = await plane.call(method, path, body, headers);
    return [answer.status, answer.body["code"]];
  };
  const role = "admin";
  assert.deepEqual(await codeOf("POST", "/v1/operators", { name: "the-viewer", role }), [409, "operator-exists"]);
  assert.deepEqual(await codeOf("POST", "/v1/operators", { name: "publisher", role }), [409, "operator-exists"]);
  assert.deepEqual(await codeOf("DELETE", "/v1/operators/operator"), [409, "own-token"]);
  assert.equal((await plane.call("POST", "/v1/operators", { name: "Eve\nadmin", role })).status, 400);
  for (const path of ["/v1/operators", "/v1/operators/the-viewer"]) {
    const method = path === "/v1/operators" ? "POST" : "DELETE";
    const body = method === "POST" ? { name: "eve", role } : undefined;
    assert.deepEqual(await codeOf(method, path, body, as("operator")), [403, "role-too-low"]);
  }
  await verifyAudit(plane.context.pool);
});
