import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { systemClock } from "../../../common/clock.ts";
import { createLog } from "../../../common/log.ts";
import { loadConfig } from "../../../router/config.ts";
import { startRouter, type RunningRouter } from "../../../router/router.ts";
import { corpus } from "../../support/http/corpus.ts";
import { readAsRouter } from "../../support/http/ours.ts";
import { CellUnderTest, type TestTenant } from "../cells/cell-under-test.ts";
import { tenantRow } from "./bed.ts";
import { ask, until } from "./client.ts";
import { Feed } from "./feed.ts";

const slotRow = (url: string) => ({ url, adminUrl: "http://127.0.0.1:9", workerUrl: "http://127.0.0.1:9" });

/** Messages that the router passes on and the cell's framework then refuses by itself: by a status of its own, in one answer. */
const refusedByCell: Readonly<Record<string, number>> = { "a WebDAV method": 405 };

interface Echo {
  readonly method: string;
  readonly url: string;
  readonly body: string;
  readonly host: string;
  readonly tenant: string;
}

/** Sends bytes and ends the client's side; gives back all that comes. */
function exchange(port: number, bytes: Buffer): Promise<{ readonly text: string; readonly ended: boolean }> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    let text = "";
    let ended = false;
    socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
    socket.on("end", () => {
      ended = true;
      socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve({ text, ended }));
    socket.end(bytes);
  });
}

/** The content of an answer in chunks or by length. */
function contentOf(text: string): string {
  const body = text.slice(text.indexOf("\r\n\r\n") + 4);
  if (!/\r\ntransfer-encoding: chunked\r\n/i.test(text)) return body;
  let rest = body;
  let content = "";
  for (;;) {
    const line = rest.indexOf("\r\n");
    const size = Number.parseInt(rest.slice(0, line), 16);
    if (!(size > 0)) return content;
    content += rest.slice(line + 2, line + 2 + size);
    rest = rest.slice(line + 4 + size);
  }
}

describe("the corpus, against the router and a real cell together", () => {
  const directory = mkdtempSync(join(tmpdir(), "cellplane-router-"));
  let cell: CellUnderTest;
  let acme: TestTenant;
  let other: TestTenant;
  let feed: Feed;
  let router: RunningRouter;

  before(async () => {
    cell = await CellUnderTest.start();
    acme = cell.addTenant("acme");
    other = cell.addTenant("other");
    const release = await cell.release("tests/integration/cells/echo-application", "1");
    await cell.migrate(release);
    await cell.startApi(release, "a", 60_000);
    for (const tenant of [acme, other]) assert.equal((await cell.grant(tenant)).status, 200);
    feed = new Feed({
      "settings/fleet": { baseDomain: "cellplane.localhost", application: "echo" },
      "cell/cell-1": {
        id: "cell-1",
        region: "eu",
        cordoned: false,
        slots: { a: slotRow(cell.url("a")), b: slotRow("http://127.0.0.1:9") },
        liveSlot: "a",
        release,
      },
      "part/cell-1": { id: "cell-1", role: "cell", keys: [cell.cellKey.spki], url: null },
      [`tenant/${acme.id}`]: tenantRow(acme.id, "acme"),
      [`tenant/${other.id}`]: tenantRow(other.id, "other"),
    });
    await feed.start();
    const config = loadConfig({
      PORT: "0",
      ADMIN_PORT: "0",
      KEY_FILE: join(directory, "router.pem"),
      FLEET_URL: feed.url,
      FLEET_TRUST_KEYS: feed.key.spki,
      FLEET_DIRECTORY: directory,
    });
    router = await startRouter(config, cell.router, systemClock, createLog("router", "silent"));
    await until(async () => (await ask(router.adminPort, { path: "/readyz" })).status === 200, "the router is ready");
  });
  after(async () => {
    await router?.stop();
    await feed?.stop();
    await cell?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Whether the connections between the two are where both believe them to be: another tenant's next request gets its own answer. */
  const inStep = async () => {
    const { status, json } = await ask(router.port, { host: "other.cellplane.localhost", path: "/in-step" });
    assert.equal(status, 200);
    assert.deepEqual([json["url"], json["body"], json["tenant"]], ["/in-step", "", other.id]);
  };

  for (const { name, bytes, verdict, rule } of corpus) {
    it(`${name}: ${verdict} (${rule})`, async () => {
      const sent = Buffer.from(bytes, "latin1");
      const { text, ended } = await exchange(router.port, sent);
      assert.ok(ended, "ended, not reset");
      assert.equal(text.match(/HTTP\/1\.1 \d{3} /g)?.length, 1, text);
      await inStep();
      if (verdict !== "pass") {
        assert.match(text, new RegExp(`^HTTP/1\\.1 ${verdict} `));
        return;
      }
      const refused = refusedByCell[name];
      if (refused !== undefined) {
        assert.match(text, new RegExp(`^HTTP/1\\.1 ${refused} `), text);
        return;
      }
      assert.match(text, /^HTTP\/1\.1 200 /, text);
      const echo = JSON.parse(contentOf(text)) as Echo;
      const [asked] = readAsRouter(sent).requests;
      assert.ok(asked !== undefined);
      assert.equal(echo.method, asked.method);
      assert.equal(echo.url, asked.target.replace(/^http:\/\/[^/?]*\/?/, "/"));
      assert.equal(echo.body, asked.body);
      assert.equal(echo.tenant, acme.id);
      assert.equal(echo.host.toLowerCase().replace(/:\d+$/, ""), "acme.cellplane.localhost");
    });
  }
});
