import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { decodeProtectedHeader } from "jose";
import { SealedBundle } from "../../../common/fleet/sealed-bundle.ts";
import { generateSigningKey } from "../../../common/keys.ts";
import { Bed, ids, keyRow, keys, tenantRow } from "./bed.ts";
import { ask, sendBytes, until } from "./client.ts";

describe("a tenant's request", () => {
  const bed = new Bed();
  before(() => bed.start());
  after(() => bed.stop());
  beforeEach(() => {
    bed.one.received.length = 0;
    bed.two.received.length = 0;
    bed.one.script = () => false;
  });
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

  it("reaches the tenant's cell with a signed assertion that names tenant, epoch and key", async () => {
    const answer = await ask(bed.port, { path: "/v1/stats?x=1", headers: bearer(keys.acme) });
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json, {
      cell: "cell-1",
      slot: "a",
      method: "GET",
      url: "/v1/stats?x=1",
      bytes: 0,
      tenant: ids.acme,
      epoch: 1,
      principal: "01890000-0000-7000-8000-000000000101",
    });
    assert.equal((await ask(bed.port, { host: "globex.cellplane.localhost" })).json["cell"], "cell-2");
  });

  it("finds the tenant whatever the host's case and port, and by its own domain", async () => {
    assert.equal((await ask(bed.port, { host: "ACME.Cellplane.LOCALHOST:8080" })).status, 200);
    assert.equal((await ask(bed.port, { host: "Events.acme.example" })).json["tenant"], ids.acme);
  });

  it("is a 404 for an unknown tenant, and a small page for a browser", async () => {
    const answer = await ask(bed.port, { host: "nobody.cellplane.localhost" });
    assert.equal(answer.status, 404);
    assert.equal(answer.headers["content-type"], "application/problem+json");
    assert.equal(answer.json["code"], "unknown-tenant");
    assert.equal(answer.json["requestId"], answer.headers["x-request-id"]);
    const page = await ask(bed.port, { host: "nobody.cellplane.localhost", headers: { accept: "text/html,*/*" } });
    assert.match(page.headers["content-type"] ?? "", /^text\/html/);
    assert.ok(page.text.includes(String(page.headers["x-request-id"])));
    for (const host of ["cellplane.localhost", "a.b.cellplane.localhost", "acmecellplane.localhost", "127.0.0.1"]) {
      assert.equal((await ask(bed.port, { host })).status, 404, host);
    }
  });

  it("is a 401 with another tenant's, an unknown, a malformed or a revoked key, and nothing reaches a cell", async () => {
    for (const key of [keys.globex, "cpk_unknown", "cpk_sp ace", "x cpk_unknown"]) {
      const answer = await ask(bed.port, { headers: bearer(key) });
      assert.equal(answer.status, 401, key);
      assert.equal(answer.json["code"], "invalid-key");
      assert.ok(!answer.text.includes(key));
    }
    const [name, row] = keyRow("cpk_second", ids.acme, "3");
    await bed.publish({ [name]: row });
    assert.equal((await ask(bed.port, { headers: bearer("cpk_second") })).status, 200);
    await bed.publish({ [name]: null });
    assert.equal((await ask(bed.port, { headers: bearer("cpk_second") })).status, 401);
    assert.equal(bed.one.received.length, 1);
  });

  it("takes no key from the URL", async () => {
    const answer = await ask(bed.port, { path: `/?key=${keys.acme}` });
    assert.equal(answer.json["principal"], "anonymous");
  });

  it("is a 403 with the reason while suspended, a 503 with Retry-After while being set up, served again after", async () => {
    await bed.publish({
      [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme", { state: "suspended", reason: "unpaid bills" }),
    });
    const suspended = await ask(bed.port);
    assert.equal(suspended.status, 403);
    assert.equal(suspended.json["detail"], "unpaid bills");
    await bed.publish({ [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme", { state: "provisioning" }) });
    const early = await ask(bed.port);
    assert.equal(early.status, 503);
    assert.equal(early.headers["retry-after"], "1");
    await bed.publish({ [`tenant/${ids.acme}`]: tenantRow(ids.acme, "acme") });
    assert.equal((await ask(bed.port)).status, 200);
  });

  it("is served as ever while its cell is cordoned", async () => {
    await bed.publish({ "cell/cell-1": { ...bed.one.row(), cordoned: true } });
    assert.equal((await ask(bed.port)).json["cell"], "cell-1");
    await bed.publish({ "cell/cell-1": bed.one.row() });
  });

  it("loses its raw key, every internal name in any spelling, and whatever Connection names", async () => {
    await ask(bed.port, {
      headers: {
        ...bearer(keys.acme),
        "Cellplane-Assertion": "forged",
        cellplane_assertion: "forged",
        "CELLPLANE_Release-Record": "forged",
        "cellplane-anything": "forged",
        connection: "cellplane-assertion, x-secret, keep-alive",
        "x-secret": "hop",
        "x-kept": "yes",
      },
    });
    const [got] = bed.one.received;
    assert.ok(got);
    assert.ok(!got.rawHeaders.includes("forged"));
    assert.notEqual(got.assertion, null);
    assert.equal(got.headers.authorization, undefined);
    assert.equal(got.headers["x-secret"], undefined);
    assert.equal(got.headers["x-kept"], "yes");
    assert.equal(got.headers.host, "acme.cellplane.localhost");
  });

  it("passes another Authorization on: that is the application's own business", async () => {
    await ask(bed.port, { headers: { authorization: "Basic dTpw" } });
    assert.equal(bed.one.received[0]?.headers.authorization, "Basic dTpw");
  });

  it("bears the router's own X-Forwarded fields, for no range is trusted", async () => {
    await ask(bed.port, {
      headers: {
        "x-forwarded-for": "6.6.6.6",
        "x-forwarded-proto": "https",
        forwarded: "for=6.6.6.6",
        "x-real-ip": "6.6.6.6",
      },
    });
    const { headers } = bed.one.received[0] ?? assert.fail();
    assert.equal(headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(headers["x-forwarded-proto"], "http");
    assert.equal(headers["x-forwarded-host"], "acme.cellplane.localhost");
    assert.equal(headers.forwarded, undefined);
    assert.equal(headers["x-real-ip"], undefined);
  });

  it("keeps a trace and a request id that are well formed, and gets new ones otherwise", async () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const kept = await ask(bed.port, { headers: { traceparent, tracestate: "a=b", "x-request-id": "mine-1" } });
    assert.equal(kept.headers["x-request-id"], "mine-1");
    assert.equal(bed.one.received[0]?.headers["traceparent"], traceparent);
    assert.equal(bed.one.received[0]?.headers["tracestate"], "a=b");
    const made = await ask(bed.port, {
      headers: { traceparent: "00-zz", tracestate: "a=b", "x-request-id": "bad id" },
    });
    assert.match(String(made.headers["x-request-id"]), /^[0-9a-f]{32}$/);
    assert.match(String(bed.one.received[1]?.headers["traceparent"]), /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    assert.equal(bed.one.received[1]?.headers["tracestate"], undefined);
  });

  it("never shows a client what is between router and cell", async () => {
    bed.one.script = (_received, response) => {
      response.writeHead(200, {
        "cellplane-slot": "a",
        "Cellplane-Release": "pulse@1",
        cellplane_secret: "x",
        "set-cookie": ["a=1", "b=2"],
        connection: "x-hop",
        "x-hop": "1",
      });
      response.end("{}");
      return true;
    };
    const { headers } = await ask(bed.port);
    assert.deepEqual(
      Object.keys(headers).filter((name) => name.startsWith("cellplane")),
      [],
    );
    assert.equal(headers["x-hop"], undefined);
    assert.deepEqual(headers["set-cookie"], ["a=1", "b=2"]);
  });

  it("signs one assertion per tenant and key and uses it again", async () => {
    await ask(bed.port, { headers: bearer(keys.acme) });
    await ask(bed.port, { headers: bearer(keys.acme) });
    const [first, second] = bed.one.received.map(({ headers }) => headers["cellplane-assertion"]);
    assert.equal(first, second);
  });

  it("signs with another key without a restart, but not before the document names it", async () => {
    const next = generateSigningKey();
    const file = join(bed.directory, "router.pem");
    writeFileSync(`${file}.new`, next.privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 });
    renameSync(`${file}.new`, file);
    const kid = async () => {
      await ask(bed.port);
      const token = String(bed.one.received.at(-1)?.headers["cellplane-assertion"]);
      return decodeProtectedHeader(token).kid;
    };
    assert.equal(await kid(), bed.routerKey.kid);
    const row = (keys: string[]) => ({ "part/router-1": { id: "router-1", role: "router", keys, url: null } });
    bed.one.trust(next);
    await bed.publish(row([bed.routerKey.spki, next.spki]));
    await until(async () => (await kid()) === next.kid, "the next key signs");
    renameSync(file, `${file}.gone`);
    assert.equal(await kid(), next.kid, "without its file the key signs on");
    // A boot with the new key alone, the control plane dead: the table on disk is sealed by it.
    await bed.publish({ "cell/cell-2": bed.two.row() });
    const keeper = () => new SealedBundle(join(bed.directory, "fleet"), next).load();
    await until(() => {
      try {
        return keeper() !== null;
      } catch {
        return false;
      }
    }, "the table is sealed with the next key");
  });

  it("answers pipelined requests in order on one connection", async () => {
    const one = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nHost: acme.cellplane.localhost\r\n${more}\r\n`;
    const { text } = await sendBytes(bed.port, `${one("/1")}${one("/2")}${one("/3", "Connection: close\r\n")}`);
    assert.deepEqual(
      [...text.matchAll(/"url":"(\/\d)"/g)].map((match) => match[1]),
      ["/1", "/2", "/3"],
    );
  });
});
